"""How a foreign loss has to be called, found out by trying."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from dicegrad.advice.identify_probes import Array, Probe, all_probes
from dicegrad.errors import InputError

LABELS = ("one-hot", "map (B, 1, *)", "map (B, *)")
_USUAL = (torch.long, None)
_SELDOM = (torch.uint8, torch.int32, torch.bool)  # for a loss that takes none of those


@dataclass(frozen=True)
class Convention:
    """The form of arguments that a loss takes.

    Attributes:
        channels: 4 (background and three classes) or 1; 3 or 2 for a loss that takes no others.
        dims: 2 or 3 axes of space.
        labels: One of `LABELS`.
        truth: Number type of the truth; None is that of the prediction.
        double: Whether predictions are float64; float32 otherwise.
    """

    channels: int
    dims: int
    labels: str
    truth: torch.dtype | None = torch.long
    double: bool = True


@dataclass(frozen=True)
class Measured:
    """What a loss says of one probe: its value, and the gradient (B, C, N) or None."""

    value: float
    gradient: Array | None
    shape: tuple[int, ...] = ()


class NoTensor(TypeError):
    """A loss returned something else than a real tensor, or an empty one."""


def conventions(
    channels: int | None = None, dims: int | None = None, labels: str | None = None
) -> Iterator[Convention]:
    """Every way to call a loss that is tried, the usual ones first; what is told is kept."""
    for numbers, types in (((4, 1), _USUAL), ((3, 2), _USUAL), ((4, 1, 3, 2), _SELDOM)):
        for c, d, double in product(numbers, (2, 3), (True, False)):
            for kind, truth in product(LABELS, types):
                if truth == torch.bool and kind != "one-hot" and c > 1:
                    continue  # it would make one class of all
                if (channels or c) == c and (dims or d) == d and (labels or kind) == kind:
                    yield Convention(c, d, kind, truth, double)


def measure(
    loss: Callable, how: Convention, probe: Probe, activation: str | None, gradient: bool = True
) -> Measured:
    """Call the loss on a probe.

    Args:
        loss: The callable.
        how: Form of the arguments.
        probe: Logits and labels.
        activation: What the loss has inside; None hands it probabilities.
        gradient: Whether to ask for the gradient too.

    Raises:
        Exception: Whatever the loss raises, and TypeError if what it returns is no real tensor.
    """
    given = probe.logits if activation else probe.probabilities(None)
    return call(loss, how, given, probe, gradient)


def call(
    loss: Callable,
    how: Convention,
    given: Array,
    probe: Probe,
    gradient: bool = True,
    spread: bool = False,
) -> Measured:
    """Call the loss on predictions (B, C, N) and the truth of a probe; see `measure`.

    `spread` hands it a label map (B, 1, *) once for each channel.
    """
    a, b, c = probe.grid
    space = (a, b, c) if how.dims == 3 else (a, b * c)
    dtype = torch.float64 if how.double else torch.float32
    x = torch.tensor(given, dtype=dtype).reshape(*given.shape[:2], *space)
    x.requires_grad_(gradient)
    y = torch.tensor(probe.truth if how.labels == "one-hot" else probe.labels)
    y = y.reshape(y.shape[0], -1, *space) if how.labels != "map (B, *)" else y.reshape(-1, *space)
    y = y.to(dtype if how.truth is None else how.truth)
    y = y.expand(-1, given.shape[1], *space) if spread else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = loss(x, y)
        if isinstance(out, float | np.ndarray | np.number):  # of a metric
            out = torch.as_tensor(out)
        if not isinstance(out, torch.Tensor) or out.is_complex() or out.numel() == 0:
            raise NoTensor(f"returns a {type(out).__name__}")
        value = out.double().mean()
        if not (gradient and value.requires_grad):
            return Measured(value.item(), None, tuple(out.shape))
        (slope,) = torch.autograd.grad(value, x, allow_unused=True)
    if slope is None:
        return Measured(value.item(), None, tuple(out.shape))
    return Measured(value.item(), slope.double().reshape(given.shape).numpy(), tuple(out.shape))


def working(loss: Callable, candidates: Iterator[Convention]) -> list[Convention]:
    """Those ways of calling that give a finite number; seldom ones only where no usual one does.

    Raises:
        InputError: None does; the message repeats what the loss said.
    """
    found: list[Convention] = []
    said = returned = odd = ""
    for how in candidates:
        if found and (how.channels in (3, 2) or how.truth in _SELDOM):
            break
        if not how.double and any(each.channels == how.channels for each in found):
            continue
        probe = all_probes(how.channels)[0]
        try:
            measured = measure(loss, how, probe, None)
        except NoTensor as error:
            returned = returned or str(error)
            continue
        except Exception as error:  # a foreign loss may raise anything
            said = said or (str(error).splitlines() or [type(error).__name__])[0]
            continue
        if not np.isfinite(measured.value):
            odd = odd or f"it gives {measured.value}"
        elif not _shares(loss, how, probe, measured):
            found.append(how)
    if found:
        return found
    if returned:
        raise InputError(
            f"the loss {returned}, not one tensor; wrap it in a function that returns what is "
            'minimised alone, def my_loss(y_pred, y): return loss(y_pred, y)[0], or ["loss"]'
        )
    raise InputError(
        f"the loss takes neither label maps nor one-hot maps of 1 to 4 channels "
        f"({odd or said}); wrap it in a function of prediction and truth"
    )


def _shares(loss: Callable, how: Convention, probe: Probe, measured: Measured) -> bool:
    """Whether a label map merely counts as the map of every channel: labels are not read."""
    if how.labels != "map (B, 1, *)" or how.channels == 1:
        return False
    try:
        shared = call(loss, how, probe.probabilities(None), probe, False, spread=True)
    except Exception:  # a loss that reads labels may refuse several with any error
        return False
    return abs(shared.value - measured.value) < 1e-9

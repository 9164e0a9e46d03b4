"""How a foreign loss wants to be called, found out by trying."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from dicegrad.advice.identify_probes import Array, Probe
from dicegrad.errors import InputError

LABELS = ("one-hot", "map (B, 1, *)", "map (B, *)")


@dataclass(frozen=True)
class Convention:
    """The form of arguments that a loss takes.

    Attributes:
        channels: 4 (background and three classes) or 1.
        dims: 2 or 3 axes of space.
        labels: One of `LABELS`.
        whole: Whether the truth has an integer dtype.
        double: Whether predictions are float64; float32 otherwise.
    """

    channels: int
    dims: int
    labels: str
    whole: bool
    double: bool = True


@dataclass(frozen=True)
class Measured:
    """What a loss says of one probe: its value, and the gradient (B, C, N) or None."""

    value: float
    gradient: Array | None
    shape: tuple[int, ...] = ()


def conventions(
    channels: int | None = None, dims: int | None = None, labels: str | None = None
) -> Iterator[Convention]:
    """Every way to call a loss that is tried, the usual ones first; what is told is kept."""
    for c, d, double in product((4, 1), (2, 3), (True, False)):
        for kind, whole in product(LABELS, (True, False)):
            if (channels or c) == c and (dims or d) == d and (labels or kind) == kind:
                yield Convention(c, d, kind, whole, double)


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
    y = y.long() if how.whole else y.to(dtype)
    y = y.expand(-1, given.shape[1], *space) if spread else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = loss(x, y)
        if not isinstance(out, torch.Tensor) or out.is_complex() or out.numel() == 0:
            raise TypeError(f"returns a {type(out).__name__}, no tensor")
        value = out.double().mean()
        if not (gradient and value.requires_grad):
            return Measured(value.item(), None, tuple(out.shape))
        (slope,) = torch.autograd.grad(value, x, allow_unused=True)
    if slope is None:
        return Measured(value.item(), None, tuple(out.shape))
    return Measured(value.item(), slope.double().reshape(given.shape).numpy(), tuple(out.shape))


def working(
    loss: Callable, candidates: Iterator[Convention], probes: dict[int, Probe]
) -> list[Convention]:
    """Those ways of calling that give a finite number; float32 only where float64 gives none.

    Raises:
        InputError: None does; the message repeats what the loss said.
    """
    found: list[Convention] = []
    said = ""
    for how in candidates:
        if not how.double and any(each.channels == how.channels for each in found):
            continue
        try:
            measured = measure(loss, how, probes[how.channels], None)
        except Exception as error:  # a foreign loss may raise anything
            said = said or (str(error).splitlines() or [type(error).__name__])[0]
            continue
        if np.isfinite(measured.value) and not _shares(loss, how, probes[how.channels], measured):
            found.append(how)
    if not found:
        raise InputError(
            f"the loss takes neither label maps nor one-hot maps of 1 or 4 channels ({said}); "
            "wrap it in a function of prediction and truth"
        )
    return found


def _shares(loss: Callable, how: Convention, probe: Probe, measured: Measured) -> bool:
    """Whether a label map merely counts as the map of every channel: labels are not read."""
    if how.labels != "map (B, 1, *)" or how.channels == 1:
        return False
    try:
        shared = call(loss, how, probe.probabilities(None), probe, False, spread=True)
    except Exception:  # a loss that reads labels may refuse several with any error
        return False
    return abs(shared.value - measured.value) < 1e-9

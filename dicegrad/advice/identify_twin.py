"""The loss of this package that does the same, compared with the other on random input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dicegrad.advice.identify_call import Convention, Measured, measure
from dicegrad.advice.identify_fit import AGREES, SINGLE, Fit, largest
from dicegrad.advice.identify_probes import Probe, all_probes, hard_probes
from dicegrad.advice.identify_proposals import Proposal, proposals
from dicegrad.advice.identify_settings import Settings, rounded
from dicegrad.errors import InputError


@dataclass(frozen=True)
class Twin:
    """A loss of this package beside the other one.

    Attributes:
        words: An expression, or "unknown" where none does the same on filled maps.
        differs: Those of `one_empty`, `batch_empty`, `all_empty` where value or gradient is further
            off than 1e-5.
        annotated: Channels that it has to be told are annotated; None if it is told nothing.
    """

    words: str = "unknown"
    differs: tuple[str, ...] = ()
    annotated: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Aside:
    """What a loss does beside its form.

    Attributes:
        ignored: A label whose voxels it leaves out, or None.
        never: Whether that is a class, so that it has no true voxel in any map.
        joined: Channels that it adds to the background.
    """

    ignored: int | None = None
    never: bool = False
    joined: tuple[int, ...] = ()


def find_twin(
    loss: Callable, how: Convention, fit: Fit, known: Settings, aside: Aside | None = None
) -> Twin:
    """Find the twin.

    Args:
        loss: The loss.
        how: How it is called.
        fit: Its form, after channels were joined.
        known: The form's numbers.
        aside: What else it does.
    """
    aside = aside or Aside()
    offered = proposals(fit, known, how.channels - len(aside.joined))
    if aside.joined:
        offered = [replace(each, told=True) for each in offered if not each.told]
    if aside.ignored is not None:
        ignoring = [each.ignoring(aside.ignored) for each in offered]
        found = _best(ignoring, loss, how, fit, aside)
        if found.words == "unknown" and aside.never:  # masks may be float32 where the rest is not
            single = replace(fit, form=replace(fit.form, single=True))
            found = _best(ignoring, loss, how, single, aside)
        if found.words != "unknown" or aside.never:
            return found
        aside = replace(aside, ignored=None)
    return _best(offered, loss, how, fit, aside)


def _best(
    offered: Sequence[Proposal], loss: Callable, how: Convention, fit: Fit, aside: Aside
) -> Twin:
    """The one that differs on the fewest kinds of maps."""
    best = Twin()
    if not offered:
        return best
    counted = tuple(c for c in range(how.channels) if c not in aside.joined)
    theirs = _measured(loss, how, fit, aside)
    for each in offered:
        try:
            offset, differs = _compare(theirs, how, _called(each, counted), fit)
        except InputError:
            continue
        if differs is None or (best.words != "unknown" and len(differs) >= len(best.differs)):
            continue
        best = Twin(each.text(offset), tuple(differs), counted if each.told else None)
        if not differs:
            break
    return best


def _called(proposal: Proposal, counted: Sequence[int]) -> Callable[[Tensor, Tensor], Tensor]:
    built = proposal.build()
    if not proposal.told:
        return built

    def told(y_pred: Tensor, y: Tensor) -> Tensor:
        annotated = torch.zeros(y_pred.shape[:2], dtype=torch.bool)
        annotated[:, list(counted)] = True
        return built(y_pred, y, annotated)

    return told


def _measured(
    loss: Callable, how: Convention, fit: Fit, aside: Aside
) -> list[tuple[Probe, Measured, str | None]]:
    """What the loss says of random input, other than that of which its form was found."""
    activation = fit.form.activation
    first = measure(loss, how, all_probes(how.channels)[0], activation)
    make = all_probes if first.gradient is not None else hard_probes
    probes = make(how.channels, seed=1)
    if aside.ignored is not None:
        full = [probe for probe in probes if probe.kind == "full"]
        marked = [_marked(probe, aside.ignored) for probe in full]
        never = aside.ignored if aside.never else None
        probes = [*marked, *all_probes(how.channels, seed=1, never=never)]
    return [(p, _or_nan(loss, how, p, activation), activation) for p in probes]


def _marked(probe: Probe, label: int) -> Probe:
    """A third of the voxels have the label that is ignored."""
    rng = np.random.default_rng(9)
    labels = np.where(rng.random(probe.labels.shape) < 1 / 3, label, probe.labels)
    return replace(probe, labels=labels, kept={})


def _compare(
    theirs: Sequence[tuple[Probe, Measured, str | None]],
    how: Convention,
    twin: Callable,
    fit: Fit,
) -> tuple[float, list[str] | None]:
    """The offset of the values, and where they differ; None if on filled maps."""
    own = Convention(how.channels, 3, "map (B, *)")
    pairs = [(probe.kind, a, measure(twin, own, probe, inside)) for probe, a, inside in theirs]
    full = [a.value - b.value for kind, a, b in pairs if kind == "full"]
    offset = rounded(float(np.median(full)), 1e-4)
    offset = 0.0 if abs(offset) < 1e-4 else offset
    usual = float(np.median([largest(a) for _, a, _ in pairs]))
    least = SINGLE * usual if fit.form.single else 0.0
    differs = [kind for kind, a, b in pairs if not _same(a, b, offset, least)]
    return offset, None if "full" in differs else list(dict.fromkeys(differs))


def _or_nan(loss: Callable, how: Convention, probe: Probe, activation: str | None) -> Measured:
    try:
        return measure(loss, how, probe, activation)
    except Exception:  # it may refuse the probe with any error
        return Measured(float("nan"), None)


def _same(a: Measured, b: Measured, offset: float, least: float) -> bool:
    value = b.value + offset
    if not abs(a.value - value) <= AGREES * max(abs(value), 1.0):
        return False
    if a.gradient is None or b.gradient is None:
        return True
    # Below 1e-9 of a derivative of order 1 / voxels, rounding is all that there is.
    slack = AGREES * max(float(np.abs(b.gradient).max()), 1e-9, least)
    return bool(np.abs(a.gradient - b.gradient).max() <= slack)

"""What a loss does to a map without a true voxel, and to voxels whose label is to be ignored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dicegrad.advice.identify_call import Convention, Measured, call, measure
from dicegrad.advice.identify_fit import Fit
from dicegrad.advice.identify_forms import terms
from dicegrad.advice.identify_probes import (
    Array,
    Probe,
    Roles,
    full_probes,
    hard_nothing,
    nothing_at_all,
    push_probe,
)

VOLUME = 1000  # voxels of the object in the filled map, and of what is predicted in the empty one
IGNORED, LEARNT = 0.01, 0.1  # shares of the push on a filled map; in between nothing is sure
_VALUES = (-100, -1, 255, 4, 3, 2, 1, 0)  # labels that losses use for "ignore"


@dataclass(frozen=True)
class Push:
    """The push on the predicted voxels of an empty map.

    Attributes:
        ratio: As a share of that on the false voxels of a filled map; None if it is not known.
        nothing: What the loss gives where a class is neither there nor predicted: a number or NaN.
    """

    ratio: float | None
    nothing: float


def push_of(
    loss: Callable,
    how: Convention,
    fit: Fit | None,
    activation: str | None,
    never: int | None = None,
) -> Push:
    """Measure, or compute from the fit, the push on an empty map beside a filled one.

    It is what the terms of the class itself do to its logit (to its probability, if the loss is
    given those). A softmax also hands on what other maps do, the background's most of all.
    """
    probe = push_probe(how.channels, VOLUME, never)
    nothing = _nothing(loss, how, activation, never)
    channel = Roles(how.channels, never).absent if how.channels > 1 else 0
    if fit is not None:
        slope = _own_slope(fit, probe, channel)
    elif activation == "softmax" or how.channels > 1:
        return Push(None, nothing)
    else:
        try:
            measured = measure(loss, how, probe, None)
        except Exception:  # a foreign loss may raise anything
            return Push(None, nothing)
        if measured.gradient is None:
            return Push(None, nothing)
        slope = measured.gradient[:, channel]
    false = slice(VOLUME, VOLUME + VOLUME // 2)  # predicted in both maps, true in none
    empty, filled = (float(np.abs(slope[b, false]).mean()) for b in (0, 1))
    if not np.isfinite([empty, filled]).all() or filled == 0:
        return Push(None, nothing)
    return Push(empty / filled, nothing)


def _own_slope(fit: Fit, probe: Probe, channel: int) -> Array:
    """Derivatives of a form by the logits of a channel, of the terms of that channel alone."""
    made = terms(fit.form, probe)
    weights = fit.weights.copy()
    weights[: fit.dice] *= -1
    p = probe.probabilities(fit.form.activation)
    number = np.arange(len(weights))
    of_map = (number < fit.dice) | (number >= len(weights) - fit.exclusion)  # see maps one by one
    by_p = np.einsum("k,kbcn->bcn", weights[of_map], made.slopes[of_map])[:, channel]
    rest = np.einsum("k,kbcn->bcn", weights[~of_map], made.slopes[~of_map])
    q = p[:, channel]
    if fit.form.activation == "softmax":
        return q * (1 - q) * by_p + q * (rest[:, channel] - (rest * p).sum(1))
    chain = q * (1 - q) if fit.form.activation == "sigmoid" else 1.0
    return chain * (by_p + rest[:, channel])


def _nothing(loss: Callable, how: Convention, activation: str | None, never: int | None) -> float:
    probe = nothing_at_all(how.channels, np.random.default_rng(2), never)
    try:
        with np.errstate(over="ignore"):
            return measure(loss, how, probe, activation).value
    except Exception:  # a foreign loss may raise anything
        return float("nan")


def leaves_out_nothing(loss: Callable, how: Convention, fit: Fit) -> bool:
    """Whether a metric gives NaN where nothing is there and nothing predicted, or skips it."""
    probe = hard_nothing(how.channels)
    value = measure(loss, how, probe, None).value
    if not np.isfinite(value):
        return True
    for mode in ("dropped", "dropped_per_image", "dropped_per_class"):
        made = terms(replace(fit.form, mode=mode), probe)
        weights = fit.weights[: made.dice]
        told = fit.offset * made.scale - float(weights @ made.values[: made.dice])
        if abs(told - value) < 1e-6:
            return True
    return False


def ignored_values(
    loss: Callable, ways: Sequence[Convention], activation: str | None, fit: Fit | None
) -> tuple[list[int], str]:
    """Labels whose voxels get no gradient, and whether they leave the sums.

    Returns:
        The labels, and "removed" (the loss is that of the other voxels), "before the activation"
        (no gradient, but the form of the loss with logits of 0 and no label there), "counted" (no
        gradient, but the loss is another one) or "none".
    """
    maps = [how for how in ways if how.labels != "one-hot" and how.channels > 1]
    if not maps:
        return [], "unknown" if all(how.labels == "one-hot" for how in ways) else "none"
    how = maps[0]
    probe = full_probes(how.channels, np.random.default_rng(11), 1)[0]
    cut = probe.grid[1] * probe.grid[2]  # the first slab
    found, semantics = [], "none"
    for value in _VALUES:
        outcome = _ignored(loss, how, probe, cut, value, activation, fit)
        if outcome:
            found.append(value)
            semantics = outcome
    return found, semantics


def _ignored(
    loss: Callable,
    how: Convention,
    probe: Probe,
    cut: int,
    value: int,
    activation: str | None,
    fit: Fit | None,
) -> str:
    labels = probe.labels.copy()
    labels[labels == value] = next(c for c in (1, 2, 0) if c != value and c < how.channels)
    labels[:, :cut] = value
    given = probe.logits if activation else probe.probabilities(None)
    marked = replace(probe, labels=labels, kept={})
    try:
        with_value = _call_labels(loss, how, given, marked)
    except Exception:  # no such label, says a foreign loss in its own way
        return ""
    gradient = with_value.gradient
    if gradient is None or not np.isfinite(gradient).all() or np.abs(gradient[..., :cut]).max() > 0:
        return ""
    if not np.abs(gradient).max() > 0:
        return ""
    grid = (probe.grid[0] - 1, probe.grid[1], probe.grid[2])
    rest = Probe("rest", probe.logits[..., cut:], labels[:, cut:], grid)
    without = _call_labels(loss, how, given[..., cut:], rest)
    same = abs(with_value.value - without.value) < 1e-5
    if without.gradient is not None:
        largest = np.abs(without.gradient).max()
        same = same and bool(np.abs(gradient[..., cut:] - without.gradient).max() < 1e-4 * largest)
    if same:
        return "removed"
    before = fit is not None and activation and _is_zeroed(fit, marked, cut, with_value.value)
    return "before the activation" if before else "counted"


def _is_zeroed(fit: Fit, probe: Probe, cut: int, value: float) -> bool:
    """Whether a value is what a form gives if the first voxels have logits of 0 and no label.

    Predicted volumes show it, which only a Dice part has.
    """
    if np.abs(fit.weights[: fit.dice]).max() < 1e-4 * np.abs(fit.weights).max():
        return False
    logits, labels = probe.logits.copy(), probe.labels.copy()
    logits[..., :cut], labels[:, :cut] = 0, -1
    made = terms(fit.form, replace(probe, logits=logits, labels=labels, kept={}))
    signs = np.where(np.arange(len(made.values)) < made.dice, -1.0, 1.0)
    told = fit.offset * made.scale + float((signs * fit.weights) @ made.values)
    return abs(told - value) < 1e-6


def _call_labels(loss: Callable, how: Convention, given: Array, probe: Probe) -> Measured:
    return call(loss, how, given, probe)

"""The loss of this package that does the same, built and held against the other on random input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dicegrad.advice.identify_call import Convention, Measured, measure
from dicegrad.advice.identify_fit import AGREES, SINGLE, Fit, largest
from dicegrad.advice.identify_forms import Form
from dicegrad.advice.identify_probes import Probe, all_probes, hard_probes
from dicegrad.errors import InputError

_NO_EPSILON = 1e-12  # in place of 0, which a loss of this package does not take


@dataclass(frozen=True)
class Settings:
    """A fit in round numbers.

    Attributes:
        above: Epsilon of the numerator as in Eq. 3 (Jaccard and Tversky: beside I); None: unknown.
        below: That of the denominator.
        weights: One factor per class of the Dice part.
        entropy: Factor of cross-entropy, per label where they differ.
        positive: Factor of the true voxels in binary cross-entropy.
    """

    above: float | None
    below: float | None
    weights: tuple[float, ...]
    entropy: tuple[float, ...]
    positive: float = 1.0


def settings_of(fit: Fit, seen_zero: Callable[[str], bool]) -> Settings:
    """Round the numbers of a fit to what they were written as.

    Args:
        fit: A fit that agrees.
        seen_zero: Whether the data say that `above` or `below` is 0.
    """
    form = fit.form
    unit = 1.0 if form.shape in ("jaccard", "tversky") else 2.0
    numbers: dict[str, float | None] = {}
    for name in ("above", "below"):
        value, spread = getattr(form, name), fit.spread[name]
        if spread < 2e-3:
            numbers[name] = rounded(unit * value, max(5 * spread, 1e-5))
        else:
            numbers[name] = 0.0 if seen_zero(name) else None
    largest = np.abs(fit.weights).max()
    weights = np.where(np.abs(fit.weights) < 1e-5 * largest, 0, fit.weights)
    dice = tuple(rounded(float(w), 1e-4) for w in weights[: fit.dice])
    rest = weights[fit.dice :]
    positive = 1.0
    if (form.gamma is None and form.activation == "sigmoid") or len(rest) == 2:
        if rest[-1] and abs(rest[0] / rest[-1] - 1) > 1e-4:
            positive = rounded(float(rest[0] / rest[-1]), 1e-4)
        rest = rest[-1:]
    entropy = tuple(rounded(float(w), 1e-4) for w in rest)
    return Settings(numbers["above"], numbers["below"], dice, entropy, positive)


def rounded(value: float, slack: float) -> float:
    """The number of fewest digits that is as near as `slack`, a share of the value."""
    if not np.isfinite(value) or value == 0:
        return value
    for digits in range(12):
        short = float(f"{value:.{digits}e}")
        if abs(short - value) <= slack * abs(value):
            return short
    return value


def find_twin(loss: Callable, how: Convention, fit: Fit, known: Settings) -> tuple[str, list[str]]:
    """The twin as an expression, and the kinds of maps on which it differs.

    Args:
        loss: The loss.
        how: How it is called.
        fit: Its form.
        known: The form's numbers.

    Returns:
        Expression, or "unknown" where no loss of this package does the same on filled maps; and
        those of `one_empty`, `batch_empty`, `all_empty` where value or gradient is further off than
        1e-5.
    """
    best: tuple[str, list[str]] = ("unknown", [])
    for name, positional, named, scale in _proposals(fit, known):
        try:
            twin = _build(name, positional, named)
            offset, differs = _compare(loss, how, twin, scale, fit.form)
        except InputError:
            continue
        if differs is None or (best[0] != "unknown" and len(differs) >= len(best[1])):
            continue
        best = (_text(name, positional, named, scale, offset), differs)
    return best


def _proposals(fit: Fit, known: Settings) -> list[tuple[str, list, dict[str, Any], float]]:
    form = fit.form
    settings: dict[str, Any] = {}
    if form.activation:
        settings["activation"] = form.activation
    entropy = known.entropy[0] if len(set(known.entropy)) == 1 else 0.0
    if form.gamma is not None and any(known.entropy):
        return []
    channels = 1 if form.classes == (0,) else 4
    if not any(known.weights):
        sure = len(set(known.entropy)) == 1 and form.activation and known.positive == 1
        return [("CrossEntropyLoss", [], settings, entropy)] if sure else []
    below = known.below or _NO_EPSILON
    first = min(form.classes)
    background: dict[str, Any] = {"include_background": False} if first else {}
    norm: dict[str, Any] = {"norm": form.norm} if form.norm != "l1" else {}
    level = sum(known.weights) / len(known.weights)
    even = len(set(known.weights)) == 1 and len(form.classes) in (channels - first, channels)
    plain = [form.phi, below]
    if any(known.entropy):
        one = len(set(known.entropy)) == 1 and known.positive == 1 and form.shape == "dice" and even
        factors = {"dice_factor": level, "ce_factor": entropy}
        factors = {name: value for name, value in factors.items() if value != 1}
        found = [("DiceCELoss", plain, settings | background | norm | factors, 1.0)]
        return found if one else []
    if form.shape == "tversky" and even:
        prices = [rounded(form.alpha, 1e-6), rounded(form.beta, 1e-6)]
        return [("TverskyLoss", [*prices, *plain], settings | background | norm, level)]
    if form.shape == "jaccard" and even:
        return [("SoftJaccardLoss", plain, settings | background | norm, level)]
    if form.shape.startswith("generalized"):
        weighting = form.shape.partition("-")[2]
        kind: dict[str, Any] = {} if weighting == "square" else {"weighting": weighting}
        return [("GeneralizedDiceLoss", plain, kind | settings | background, level)]
    if form.shape != "dice":
        return []
    if not even:
        counted = range(first, channels)
        weights = dict(zip(form.classes, known.weights, strict=True))
        more = {"weight": [weights.get(c, 0.0) for c in counted]}
        scale = len(counted) / len(form.classes)
        return [("DiceLoss", plain, settings | background | norm | more, scale)]
    found = [("DiceLoss", plain, settings | background | norm, level)]
    if form.phi == "I" and form.norm == "l1":
        found += [(name, [below], settings, level) for name in ("LeafDiceLoss", "MarginalDiceLoss")]
    return found


def _build(name: str, positional: list, named: dict[str, Any]) -> Callable:
    from dicegrad import losses

    return getattr(losses, name)(*positional, **named)


def _compare(
    loss: Callable, how: Convention, twin: Callable, scale: float, form: Form
) -> tuple[float, list[str] | None]:
    """The offset of the values, and where they differ; None if on filled maps."""
    activation = form.activation
    own = Convention(how.channels, 3, "map (B, *)", True)
    differentiable = (
        measure(loss, how, all_probes(how.channels)[0], activation).gradient is not None
    )
    make = all_probes if differentiable else hard_probes
    probes = make(how.channels, seed=1)
    pairs = [(_or_nan(loss, how, p, activation), measure(twin, own, p, activation)) for p in probes]
    full = [
        a.value - scale * b.value
        for p, (a, b) in zip(probes, pairs, strict=True)
        if p.kind == "full"
    ]
    offset = rounded(float(np.median(full)), 1e-4)
    offset = 0.0 if abs(offset) < 1e-4 else offset
    usual = float(np.median([largest(a) for a, _ in pairs]))
    least = SINGLE * usual if form.single else 0.0
    differs = [
        probe.kind
        for probe, (a, b) in zip(probes, pairs, strict=True)
        if not _same(a, b, scale, offset, least)
    ]
    return offset, None if "full" in differs else list(dict.fromkeys(differs))


def _or_nan(loss: Callable, how: Convention, probe: Probe, activation: str | None) -> Measured:
    try:
        return measure(loss, how, probe, activation)
    except Exception:  # it may refuse the probe with any error
        return Measured(float("nan"), None)


def _same(a: Measured, b: Measured, scale: float, offset: float, least: float) -> bool:
    value = scale * b.value + offset
    if not abs(a.value - value) <= AGREES * max(abs(value), 1.0):
        return False
    if a.gradient is None or b.gradient is None:
        return True
    wanted = scale * b.gradient
    # Below 1e-9 of a derivative of order 1 / voxels, rounding is all that there is.
    slack = AGREES * max(float(np.abs(wanted).max()), 1e-9, least)
    return bool(np.abs(a.gradient - wanted).max() <= slack)


def _text(
    name: str, positional: Sequence, named: dict[str, Any], scale: float, offset: float
) -> str:
    shown = [_shown(each) for each in positional]
    shown += [f"{key}={_shown(value)}" for key, value in named.items()]
    text = f"{name}({', '.join(shown)})"
    if abs(scale) != 1:
        text = f"{abs(scale):g} * {text}"
    if scale < 0:
        return f"{offset:g} - {text}" if offset else f"-{text}"
    return text if not offset else f"{text} {'-' if offset < 0 else '+'} {abs(offset):g}"


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value}"

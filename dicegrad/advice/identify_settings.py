"""A fit in round numbers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dicegrad.advice.identify_fit import Fit
from dicegrad.advice.identify_forms import Form


@dataclass(frozen=True)
class Settings:
    """A fit in round numbers.

    Attributes:
        above: Epsilon of the numerator as in Eq. 3 (Jaccard and Tversky: beside I); None: unknown.
        below: That of the denominator.
        weights: One factor per class of the Dice part.
        entropy: Factor of cross-entropy, per label where they differ.
        positive: Factor of the true voxels in binary cross-entropy.
        exclusion: One factor per channel of the exclusion part, none if there is no such part.
    """

    above: float | None
    below: float | None
    weights: tuple[float, ...]
    entropy: tuple[float, ...]
    positive: float = 1.0
    exclusion: tuple[float, ...] = ()

    @property
    def score(self) -> bool:
        """Whether larger is better."""
        if any(self.weights):
            return self.weights[0] < 0
        return any(w < 0 for w in self.entropy)


def settings_of(fit: Fit, seen_zero: Callable[[str], bool], never: int | None = None) -> Settings:
    """Round the numbers of a fit to what they were written as.

    Args:
        fit: A fit that agrees.
        seen_zero: Whether the data say that `above` or `below` is 0.
        never: A label that no voxel has, of which cross-entropy shows nothing.
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
    dice = _rounded(weights[: fit.dice])
    end = len(weights) - fit.exclusion
    rest, positive = _entropy(weights[fit.dice : end], form, never)
    exclusion = _rounded(weights[end:])
    return Settings(numbers["above"], numbers["below"], dice, _rounded(rest), positive, exclusion)


def _entropy(rest: np.ndarray, form: Form, never: int | None) -> tuple[np.ndarray, float]:
    """Factors of cross-entropy, one per label or one, and that of the true voxels beside it.

    The parts are those of `identify_forms`: one per label or one of all true voxels, and where
    there is no softmax, one of all others.
    """
    positive, labels = 1.0, len(rest) - 1
    if form.gamma is None and form.activation is None and labels > 1:
        of_label = rest[:-1] * labels  # a mean over the channels as well
        alike = bool(np.ptp(of_label) <= 1e-4 * np.abs(of_label).max())
        if not rest[-1]:
            return rest[:-1], positive
        rest = np.array([of_label[0], rest[-1]]) if alike else rest
    if (form.gamma is None and form.activation == "sigmoid") or len(rest) == 2:
        if rest[-1] and abs(rest[0] / rest[-1] - 1) > 1e-4:
            positive = rounded(float(rest[0] / rest[-1]), 1e-4)
        rest = rest[-1:]
    elif never is not None and form.gamma is None:
        rest = np.delete(rest, never)
    return rest, positive


def _rounded(weights: np.ndarray) -> tuple[float, ...]:
    return tuple(rounded(float(w), 1e-4) for w in weights)


def rounded(value: float, slack: float) -> float:
    """The number of fewest digits that is as near as `slack`, a share of the value."""
    if not np.isfinite(value) or value == 0:
        return value
    for digits in range(12):
        short = float(f"{value:.{digits}e}")
        if abs(short - value) <= slack * abs(value):
            return short
    return value

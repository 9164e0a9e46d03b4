"""The area under an ROC curve, with an interval in which subjects are clusters."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from dicegrad.errors import InputError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve with its confidence interval."""

    value: float
    low: float
    high: float
    method: str


def auc(
    volumes: npt.ArrayLike,
    positive: npt.ArrayLike,
    subjects: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> Auc:
    """AUC with DeLong's interval on the logit scale, subjects as clusters.

    ED and ES of one patient are not independent, so DeLong's structural components are summed per
    subject (Obuchowski 1997); with one case per subject this is DeLong (1988). Where that variance
    is 0, as at an AUC of 0 or 1, or unknown, as with one subject on a side, Newcombe's interval
    (2006, method 5) is given instead: it follows from the area, and from the number of subjects
    that have a positive and that have a negative case, however many cases each has. It takes the
    sides to be independent, which is cautious where a subject is on both. With one subject on a
    side, a 95 % interval never leaves one half out.

    Args:
        volumes: Predicted volume per case, any unit.
        positive: Whether the case belongs to the group to detect; both kinds must occur.
        subjects: One per case.
        confidence: Coverage, in (0, 1).

    Returns:
        Area (ties count one half) and interval; `method` is `delong` or `newcombe`.

    Raises:
        InputError: If a volume is not finite, a kind is absent, the lengths differ, or confidence
            is not in (0, 1).
    """
    volumes, positive = check_groups(volumes, positive)
    if np.shape(subjects) != volumes.shape:
        raise InputError(f"subjects has shape {np.shape(subjects)} for {volumes.size} volumes")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence!r}; it must be in (0, 1), such as 0.95")
    wins = _wins(volumes[positive], volumes[~positive])
    area = float(wins.mean())
    owners = np.asarray(subjects)
    variance = _cluster_variance(wins, positive, owners)
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    if not variance > 0:
        m, n = (np.unique(owners[side]).size for side in (positive, ~positive))
        low, high = _newcombe(area, m, n, z)
        return Auc(area, low, high, "newcombe")
    logit = np.log(area / (1 - area))
    half = z * np.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + np.exp(-(logit + sign * half))) for sign in (-1, 1))
    return Auc(area, float(low), float(high), "delong")


def check_groups(
    volumes: npt.ArrayLike, positive: npt.ArrayLike
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """What a curve is of, as arrays.

    Args:
        volumes: Predicted volume per case, any unit.
        positive: Whether the case belongs to the group to detect.

    Returns:
        Both, (cases,) each.

    Raises:
        InputError: A volume is not finite, a kind is absent, or the lengths differ.
    """
    volumes, positive = np.asarray(volumes, dtype=float), np.asarray(positive, dtype=bool)
    if volumes.ndim != 1 or volumes.shape != positive.shape:
        raise InputError(
            f"volumes has shape {volumes.shape} and positive {positive.shape}; "
            "both must be (cases,)"
        )
    unusable = np.flatnonzero(~np.isfinite(volumes))
    if unusable.size:
        raise InputError(
            f"volumes[{unusable[0]}] is {volumes[unusable[0]]}; every volume must be finite: leave "
            "cases without a volume out"
        )
    if positive.all() or not positive.any():
        kind = "positive" if positive.any() else "negative"
        raise InputError(
            f"all {volumes.size} cases are {kind}; an ROC curve needs cases of both kinds"
        )
    return volumes, positive


def _wins(positives: Array, negatives: Array) -> Array:
    """(positives, negatives): 1 where the positive case has the larger volume, 1/2 for ties."""
    return (np.sign(positives[:, None] - negatives[None, :]) + 1) / 2


def _cluster_variance(wins: Array, positive: npt.NDArray[np.bool_], subjects: npt.NDArray) -> float:
    """Obuchowski's variance of the AUC from structural components summed per subject.

    In whole numbers, so that it is 0 where it should be: where the components of every subject
    cancel, rounding would leave a variance of either sign.

    Returns:
        The variance; NaN with one subject on a side.
    """
    owners, index = np.unique(subjects, return_inverse=True)
    (m, n), clusters = wins.shape, owners.size
    with_positive = np.unique(index[positive]).size
    with_negative = np.unique(index[~positive]).size
    if min(with_positive, with_negative) < 2:
        return float("nan")
    doubled = (2 * wins).astype(np.int64)  # a tie is one half
    # Times 2 m n, a component is a whole number.
    above = m * doubled.sum(axis=1) - doubled.sum()
    below = n * doubled.sum(axis=0) - doubled.sum()
    v10 = _sums(above, index[positive], clusters)
    v01 = _sums(below, index[~positive], clusters)
    s10 = Fraction(with_positive, with_positive - 1) * sum(a * a for a in v10)
    s01 = Fraction(with_negative, with_negative - 1) * sum(b * b for b in v01)
    s11 = Fraction(clusters, clusters - 1) * sum(a * b for a, b in zip(v10, v01, strict=True))
    return float((s10 / m**2 + s01 / n**2 + 2 * s11 / (m * n)) / (2 * m * n) ** 2)


def _sums(values: npt.NDArray[np.int64], index: npt.NDArray[np.int64], count: int) -> list[int]:
    """Sums of whole numbers per subject, as Python's, whose squares never overflow."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, index, values)
    return sums.tolist()


def _newcombe(area: float, m: int, n: int, z: float) -> tuple[float, float]:
    """Score-type interval whose variance depends on the unknown area, so it works at 0 and 1.

    Args:
        area: Of the curve, in [0, 1].
        m: Number of independent positives.
        n: Number of independent negatives.
        z: Of the coverage.
    """

    def variance(theta: float) -> float:
        mean = (m + n) / 2 - 1
        spread = 1 + mean * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return theta * (1 - theta) * spread / (m * n)

    def distance(theta: float) -> float:
        return (theta - area) ** 2 - z**2 * variance(theta)

    tiny = 1e-12
    low = 0.0 if distance(tiny) <= 0 else optimize.brentq(distance, tiny, area - tiny)
    high = 1.0 if distance(1 - tiny) <= 0 else optimize.brentq(distance, area + tiny, 1 - tiny)
    return float(low), float(high)

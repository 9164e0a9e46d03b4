"""Confidence intervals of means over cases, where the cases of one subject are not independent."""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

RESAMPLES = 4999
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over cases and its confidence interval; NaN bounds where it has none."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(
    values: npt.ArrayLike,
    subjects: npt.ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """BCa bootstrap interval of a mean over cases, resampling subjects.

    Args:
        values: One per case; NaN is left out.
        subjects: One per case. A resampled subject comes with all its cases.
        confidence: Coverage, in (0, 1).
        resamples: Bootstrap samples.
        seed: Of the generator.

    Returns:
        Mean, bounds and the number of cases. The bounds are the mean itself where all subjects
        agree, and NaN with fewer than two subjects.
    """
    values = np.asarray(values, dtype=float)
    present = ~np.isnan(values)
    n = int(present.sum())
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    _, index = np.unique(np.asarray(subjects)[present], return_inverse=True)
    sums = np.bincount(index, weights=values[present]).astype(float)
    counts = np.bincount(index).astype(float)
    mean = float(sums.sum() / counts.sum())
    if sums.size < 2:
        return Interval(mean, float("nan"), float("nan"), n)
    if np.ptp(sums / counts) <= 1e-12 * max(1.0, abs(mean)):
        return Interval(mean, mean, mean, n)
    low, high = _bca(sums, counts, confidence, resamples, seed)
    return Interval(mean, low, high, n)


def _ratio(
    sums: npt.NDArray[np.float64], counts: npt.NDArray[np.float64], axis: int = -1
) -> npt.NDArray[np.float64]:
    """Mean over cases from per-subject sums: large subjects weigh more, as in the mean itself."""
    return sums.sum(axis=axis) / counts.sum(axis=axis)


def _bca(
    sums: npt.NDArray[np.float64],
    counts: npt.NDArray[np.float64],
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    for method in ("BCa", "percentile"):  # BCa has no answer for some two-valued samples
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            interval = stats.bootstrap(
                (sums, counts),
                _ratio,
                paired=True,
                vectorized=True,
                n_resamples=resamples,
                confidence_level=confidence,
                method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite(interval.low) and np.isfinite(interval.high):
            break
    return float(interval.low), float(interval.high)

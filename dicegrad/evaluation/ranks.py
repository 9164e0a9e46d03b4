"""The paper's significance test: ranks per case, and signs flipped at random.

Methods are ranked within each case (rank 1 is best, ties share their mean rank). For two of them
the statistic is the absolute difference of their mean ranks; under the null hypothesis the two
ranks of a case may be swapped, so every sign of the difference is equally likely. The p value is
the share of sign patterns whose statistic is *strictly* greater, two-sided.

The share is exact where that can be counted, and drawn at random where it cannot:

- rank differences are multiples of 1/2, so their sum lives on a lattice and its distribution is
  built by dynamic programming, one case after the other;
- up to 32 other differences are counted by splitting the cases in two halves;
- else 100,000 seeded random sign patterns.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from dicegrad.errors import InputError

Array = npt.NDArray[np.float64]
Method = Literal["auto", "exact", "monte carlo"]

DRAWS = 100_000
LARGEST_LATTICE = 200_000  # steps of 1/2; 1,000 cases among 5 methods need 8,000
LARGEST_ENUMERATION = 32
# Sums of the same differences in another order agree to this share of their total.
TIE_TOLERANCE = 1e-10


@dataclass(frozen=True)
class SignFlipResult:
    """Outcome of `sign_flip_test`.

    Attributes:
        n: Cases that entered.
        statistic: |mean difference|.
        p_value: Share of sign patterns with a strictly greater statistic (the paper's p). It can
            be 0: nothing is more extreme than all cases agreeing.
        p_inclusive: Share with a statistic at least as great, the observed one counted. It bounds
            the type-I error for any n and is never below 2 ** (1 - n).
        method: `exact`, `monte carlo`, or `none` where there is no case.
    """

    n: int
    statistic: float
    p_value: float
    p_inclusive: float
    method: str


def rank_methods(values: npt.ArrayLike, *, larger_is_better: bool) -> Array:
    """Rank the methods within each case.

    Args:
        values: (cases, methods). A case counts only where every method has a value.
        larger_is_better: True for DSC, False for an error.

    Returns:
        (complete cases, methods): ranks from 1 (best); ties share their mean rank.

    Example:
        >>> rank_methods([[0.9, 0.8], [0.7, 0.7]], larger_is_better=True)
        array([[1. , 2. ],
               [1.5, 1.5]])
    """
    values = np.asarray(values, dtype=float)
    complete = values[~np.isnan(values).any(axis=1)]
    signed = -complete if larger_is_better else complete
    return np.asarray(stats.rankdata(signed, axis=1), dtype=float).reshape(complete.shape)


def sign_flip_test(
    differences: npt.ArrayLike,
    subjects: npt.ArrayLike | None = None,
    *,
    method: Method = "auto",
    draws: int = DRAWS,
    seed: int = 0,
) -> SignFlipResult:
    """Two-sided paired test that the differences are symmetric about zero.

    Args:
        differences: One per case: rank of A minus rank of B, or any paired difference. NaN is
            left out.
        subjects: One per case; all cases of a subject flip together, because they are not
            independent. Without it each case is a subject, as in the paper.
        method: `auto` is exact where that fits, else Monte Carlo.
        draws: Random sign patterns of the Monte Carlo test.
        seed: Of the Monte Carlo test.

    Returns:
        The result; p is NaN where there is no case, and 1 where all differences are zero
        (`p_value` too: counting only strictly greater patterns would give 0 without any
        evidence).

    Raises:
        InputError: If a difference is infinite, `subjects` has another length, `draws` is below 1,
            or `exact` was asked for and does not fit.

    Example:
        >>> sign_flip_test([1, 1, 1, -1]).p_value  # 2 of 16 patterns beat |sum| = 2
        0.125
    """
    differences = np.asarray(differences, dtype=float)
    _check_differences(differences, subjects, draws)
    present = ~np.isnan(differences)
    totals = _subject_totals(differences, subjects, present)
    n = int(present.sum())
    if n == 0:
        return SignFlipResult(0, float("nan"), float("nan"), float("nan"), "none")
    statistic = abs(float(totals.sum())) / n
    steps = totals[totals != 0]  # a zero has no sign to flip
    if steps.size == 0:
        return SignFlipResult(n, 0.0, 1.0, 1.0, "exact")
    counted = None if method == "monte carlo" else _count(steps)
    if counted is None and method == "exact":
        raise InputError(
            f"method is 'exact', but the distribution of {steps.size} differences does not fit: "
            "use 'auto' or 'monte carlo'"
        )
    name = "monte carlo" if counted is None else "exact"
    strict, inclusive = counted or _draw(steps, draws, seed)
    return SignFlipResult(n, statistic, strict, inclusive, name)


def _check_differences(differences: Array, subjects: npt.ArrayLike | None, draws: int) -> None:
    if differences.ndim != 1:
        raise InputError(f"differences has shape {differences.shape}; it must be (cases,)")
    infinite = np.flatnonzero(np.isinf(differences))
    if infinite.size:
        raise InputError(
            f"differences[{infinite[0]}] is {differences[infinite[0]]}; a difference must be "
            "finite, or NaN to be left out"
        )
    if subjects is not None and np.shape(subjects) != differences.shape:
        raise InputError(
            f"subjects has shape {np.shape(subjects)} for {differences.size} differences"
        )
    if draws < 1:
        raise InputError(f"draws is {draws}; it must be at least 1")


def _subject_totals(
    differences: Array, subjects: npt.ArrayLike | None, present: npt.NDArray[np.bool_]
) -> Array:
    """Sum of the differences per subject; the sum over all cases is unchanged."""
    if subjects is None:
        return differences[present]
    _, index = np.unique(np.asarray(subjects)[present], return_inverse=True)
    return np.bincount(index, weights=differences[present]).astype(float)


def _count(steps: Array) -> tuple[float, float] | None:
    """Exact (strict, inclusive) p values, or None where counting does not fit."""
    doubled = 2 * steps
    lattice = np.rint(doubled)
    if np.allclose(doubled, lattice, rtol=0, atol=1e-9):
        whole = lattice.astype(np.int64)
        whole = whole[whole != 0]
        if np.abs(whole).sum() <= LARGEST_LATTICE:
            return _count_lattice(whole)
    if steps.size <= LARGEST_ENUMERATION:
        return _count_halves(steps)
    return None


def _count_lattice(steps: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Distribution of the sum of +-steps, by dynamic programming over the cases."""
    sizes = np.abs(steps)
    total = int(sizes.sum())
    probability = np.zeros(total + 1)  # of the sum of the steps whose sign is plus
    probability[0] = 1.0
    for size in np.sort(sizes):
        moved = probability.copy()
        moved[size:] += probability[: total + 1 - size]
        probability = moved / 2
    extreme = np.abs(2 * np.arange(total + 1) - total)
    observed = abs(int(steps.sum()))
    strict = float(probability[extreme > observed].sum())
    return min(strict, 1.0), min(float(probability[extreme >= observed].sum()), 1.0)


def _count_halves(steps: Array) -> tuple[float, float]:
    """All 2^n sign patterns, counted as pairs of two sorted lists of 2^(n/2) partial sums."""
    middle = steps.size // 2
    left, right = _all_sums(steps[:middle]), np.sort(_all_sums(steps[middle:]))
    slack = TIE_TOLERANCE * np.abs(steps).sum()
    patterns = 2.0**steps.size

    def share(threshold: float) -> float:
        above = right.size - np.searchsorted(right, threshold - left, side="right")
        below = np.searchsorted(right, -threshold - left, side="left")
        return float(above.sum() + below.sum()) / patterns

    observed = abs(float(steps.sum()))
    # Signs come in mirrored pairs, so a sum beyond -0 and +0 at once would be counted twice.
    return share(observed + slack), min(share(observed - slack), 1.0)


def _all_sums(steps: Array) -> Array:
    sums = np.zeros(1)
    for step in steps:
        sums = np.concatenate([sums - step, sums + step])
    return sums


def _draw(steps: Array, draws: int, seed: int) -> tuple[float, float]:
    """Monte Carlo (strict, inclusive) p values from `draws` random sign patterns."""
    sums = np.abs(flipped_sums(steps, draws, seed))
    observed = abs(float(steps.sum()))
    slack = TIE_TOLERANCE * np.abs(steps).sum()
    strict = float((sums > observed + slack).mean())
    # The observed pattern is one of the possible ones; counting it keeps p above 0.
    inclusive = (int((sums >= observed - slack).sum()) + 1) / (draws + 1)
    return strict, inclusive


def flipped_sums(steps: Array, draws: int, seed: int) -> Array:
    """Sums of the steps under random signs.

    Eight cases at a time: the sums of their 256 sign patterns are tabulated, and a random byte
    looks one up. That is eight times fewer operations than one sign per case.

    Args:
        steps: (n,).
        draws: How many sign patterns.
        seed: Of the generator.

    Returns:
        (draws,) sums.
    """
    rng = np.random.default_rng(seed)
    blocks = np.pad(steps, (0, -len(steps) % 8)).reshape(-1, 8)
    sums = np.zeros(draws)
    for block in blocks:
        sums += _all_sums(block)[rng.integers(0, 256, draws, dtype=np.uint8)]
    return sums


def holm(p_values: npt.ArrayLike) -> Array:
    """Holm's step-down correction of a family of p values; NaN stays NaN and is not counted.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        array([0.03, 0.06, 0.06])
    """
    p_values = np.asarray(p_values, dtype=float)
    corrected = np.full(p_values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return corrected

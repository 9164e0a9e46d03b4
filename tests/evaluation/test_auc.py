"""The area under an ROC curve, and its interval by subject."""

import numpy as np
import pytest
from scipy import stats

from dicegrad.errors import InputError
from dicegrad.evaluation.auc import auc


def delong_by_definition(positives, negatives):
    """DeLong's variance written out over pairs."""
    psi = np.array([[(p > n) + 0.5 * (p == n) for n in negatives] for p in positives])
    return psi.mean(axis=1).var(ddof=1) / len(positives) + psi.mean(axis=0).var(ddof=1) / len(
        negatives
    )


def test_without_clusters_the_interval_is_delongs():
    rng = np.random.default_rng(0)
    positives, negatives = rng.normal(1, 1, 40), rng.normal(0, 1, 25)
    cases = np.concatenate([positives, negatives])
    result = auc(cases, np.arange(65) < 40, np.arange(65))
    error = np.sqrt(delong_by_definition(positives, negatives))
    logit = np.log(result.value / (1 - result.value))
    half = stats.norm.ppf(0.975) * error / (result.value * (1 - result.value))
    assert result.method == "delong"
    assert result.low == pytest.approx(1 / (1 + np.exp(half - logit)))
    assert result.high == pytest.approx(1 / (1 + np.exp(-half - logit)))


def test_pairs_of_one_subject_move_together():
    rng = np.random.default_rng(0)
    size = rng.normal(0, 3, 50)  # large hearts are large in ED and ES
    cases = np.concatenate([size + 1, size]) + 0.3 * rng.normal(size=100)
    positive, subjects = np.arange(100) < 50, np.tile(np.arange(50), 2)
    paired, unpaired = auc(cases, positive, subjects), auc(cases, positive, np.arange(100))
    assert paired.value == unpaired.value
    assert paired.high - paired.low < 0.5 * (unpaired.high - unpaired.low)


def test_a_perfect_separation_is_not_certain():
    result = auc([3, 4, 5, 0, 1, 2], [True] * 3 + [False] * 3, range(6))
    assert (result.value, result.high, result.method) == (1, 1, "newcombe")
    assert 0.3 < result.low < 0.8
    mirrored = auc([0, 1, 2, 3, 4, 5], [True] * 3 + [False] * 3, range(6))
    assert (mirrored.value, mirrored.low) == (0, 0)
    assert mirrored.high == pytest.approx(1 - result.low)


@pytest.mark.slow
def test_the_interval_covers_the_true_area_with_paired_subjects():
    rng = np.random.default_rng(0)
    truth = stats.norm.cdf(1 / np.sqrt(2 * (1 + 0.5)))
    covered = 0
    for _ in range(1500):
        shared = np.tile(rng.normal(0, np.sqrt(0.5), 60), 2)
        cases = shared + np.repeat([1.0, 0.0], 60) + rng.normal(size=120)
        result = auc(cases, np.arange(120) < 60, np.tile(np.arange(60), 2))
        covered += result.low <= truth <= result.high
    assert 0.93 <= covered / 1500 <= 0.97


def test_subjects_and_confidence_are_checked():
    with pytest.raises(InputError, match=r"subjects has shape \(1,\) for 2 volumes"):
        auc([1, 2], [True, False], ["a"])
    with pytest.raises(InputError, match="confidence is 95"):
        auc([1, 2], [True, False], ["a", "b"], confidence=95)

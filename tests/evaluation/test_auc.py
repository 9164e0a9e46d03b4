"""The area under an ROC curve, and its interval by subject."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
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


def interval(positives, negatives, subjects):
    """The interval of these volumes."""
    positive = np.arange(len(positives) + len(negatives)) < len(positives)
    result = auc([*positives, *negatives], positive, subjects)
    return result.low, result.high


def test_more_cases_of_the_same_subjects_do_not_narrow_newcombes_interval():
    once = interval([3, 4], [1, 2], ["a", "b", "c", "d"])
    ten_times = interval([3, 4] * 10, [1, 2] * 10, ["a", "b"] * 10 + ["c", "d"] * 10)
    assert once == pytest.approx((0.3856, 1), abs=1e-4)
    assert ten_times == once
    twenty = interval(range(20, 40), range(20), range(40))
    assert twenty == pytest.approx((0.8987, 1), abs=1e-4)


def test_a_subject_on_both_sides_counts_once_on_each():
    both = interval([4, 5, 6], [1, 2, 3], [*"abc", *"abc"])
    assert both == interval([4, 5, 6], [1, 2, 3], [*"abcdef"])
    assert interval([4, 5, 6] * 4, [1, 2, 3] * 4, [*"abc"] * 8) == both


@pytest.mark.parametrize("negatives", [1, 2, 40, 1000])
@pytest.mark.parametrize("cases", [1, 10])
def test_one_subject_on_a_side_is_no_proof(cases, negatives):
    subjects = ["a"] * cases + list(range(negatives))
    low, high = interval([1] * cases, [0] * negatives, subjects)
    assert low < 0.5
    assert high == 1
    low, high = interval([0] * cases, [1] * negatives, subjects)
    assert low == 0
    assert high > 0.5


@pytest.mark.parametrize("subjects", [*range(2, 21), 30, 50, 100])
def test_an_area_without_variance_has_newcombes_interval_whatever_the_number_of_subjects(subjects):
    """Each heart is a little larger in ED than in ES, and far from the others."""
    size = 10.0 * np.arange(subjects)
    volumes = np.concatenate([size + 1, size])
    positive = np.arange(2 * subjects) < subjects
    names = np.array([f"{number}" for number in range(subjects)] * 2)
    result = auc(volumes, positive, names)
    assert result.value == pytest.approx((subjects + 1) / (2 * subjects))
    assert result.method == "newcombe"
    assert result.high - result.low > 1 / np.sqrt(subjects) / 2
    order = np.random.default_rng(0).permutation(2 * subjects)
    again = auc(volumes[order], positive[order], names[order])
    assert (again.low, again.high) == pytest.approx((result.low, result.high))


def test_ties_alone_have_newcombes_interval():
    result = auc(np.zeros(13), np.arange(13) < 6, range(13))
    assert (result.value, result.method) == (0.5, "newcombe")


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 4)), min_size=4, max_size=30
    )
)
def test_the_variance_is_obuchowskis(cases):
    volumes, positive, subjects = (np.array(column) for column in zip(*cases, strict=True))
    sides = [set(subjects[side]) for side in (positive, ~positive)]
    assume(min(map(len, sides)) > 1)
    psi = np.array(
        [[(p > n) + 0.5 * (p == n) for n in volumes[~positive]] for p in volumes[positive]]
    )
    owners = np.unique(subjects)
    v10 = [((psi.mean(axis=1) - psi.mean()) * (subjects[positive] == s)).sum() for s in owners]
    v01 = [((psi.mean(axis=0) - psi.mean()) * (subjects[~positive] == s)).sum() for s in owners]
    (m, n), (a, b), c = psi.shape, map(len, sides), len(owners)
    v10, v01 = np.array(v10) / m, np.array(v01) / n
    variance = a / (a - 1) * v10 @ v10 + b / (b - 1) * v01 @ v01 + 2 * c / (c - 1) * v10 @ v01
    result = auc(volumes, positive, subjects)
    assert (result.method == "newcombe") == (variance < 1e-12)
    if result.method == "delong":
        logit = np.log(result.value / (1 - result.value))
        half = stats.norm.ppf(0.975) * np.sqrt(variance) / (result.value * (1 - result.value))
        assert result.low == pytest.approx(1 / (1 + np.exp(half - logit)))


def test_cases_of_one_subject_on_each_side_say_next_to_nothing():
    rng = np.random.default_rng(0)
    many = interval(rng.normal(1, 1, 40), rng.normal(0, 1, 40), ["a"] * 40 + ["b"] * 40)
    assert many[0] < 0.15
    assert many[1] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("subjects", "cases"), [(2, 10), (4, 6), (6, 1)])
def test_intervals_of_a_few_subjects_cover_the_true_area_however_many_cases_each_has(
    subjects, cases
):
    rng = np.random.default_rng(0)
    truth, covered = stats.norm.cdf(1 / np.sqrt(2)), 0
    owners = np.repeat(np.arange(2 * subjects), cases)
    for _ in range(3000):
        volumes = rng.normal(size=2 * subjects) + np.repeat([1.0, 0.0], subjects)
        result = auc(np.repeat(volumes, cases), owners < subjects, owners)
        covered += result.low <= truth <= result.high
    assert covered / 3000 >= 0.93


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

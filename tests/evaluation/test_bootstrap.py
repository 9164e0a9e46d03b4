import numpy as np
import pytest
from scipy import stats

from dicegrad.evaluation.bootstrap import mean_interval


def test_with_one_case_per_subject_it_is_scipys_bca():
    values = np.random.default_rng(0).normal(size=30)
    ours = mean_interval(values, np.arange(30), resamples=20_000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, rng=1).confidence_interval
    assert ours.mean == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.high, abs=0.02)


def test_the_mean_is_over_cases_not_subjects():
    assert mean_interval([1, 1, 1, 0], ["a", "a", "a", "b"]).mean == 0.75


def test_cases_of_one_subject_do_not_narrow_the_interval():
    values = np.random.default_rng(0).normal(size=20)
    once = mean_interval(values, np.arange(20))
    four_times = mean_interval(values.repeat(4), np.arange(20).repeat(4))
    assert four_times.n == 80
    assert four_times.high - four_times.low == pytest.approx(once.high - once.low, rel=0.05)
    naive = mean_interval(values.repeat(4), np.arange(80))
    assert naive.high - naive.low < 0.6 * (once.high - once.low)


def test_small_and_degenerate_samples_give_no_false_precision():
    one = mean_interval([0.7, 0.8], ["a", "a"])
    assert one.mean == pytest.approx(0.75)
    assert np.isnan(one.low)
    same = mean_interval([0.7, 0.7, 0.7], [1, 2, 3])
    assert (same.low, same.high) == (same.mean, same.mean)
    none = mean_interval([np.nan], [1])
    assert none.n == 0
    assert np.isnan(none.mean)
    two = mean_interval([0.0, 1.0], [1, 2])
    assert 0 <= two.low <= two.mean <= two.high <= 1


def test_missing_values_are_left_out_and_the_seed_decides():
    values = [0.1, np.nan, 0.4, 0.9]
    assert mean_interval(values, range(4)) == mean_interval([0.1, 0.4, 0.9], [0, 2, 3])
    noise = np.random.default_rng(3).normal(size=15)
    assert mean_interval(noise, range(15), seed=1) == mean_interval(noise, range(15), seed=1)
    assert mean_interval(noise, range(15), seed=1) != mean_interval(noise, range(15), seed=2)


@pytest.mark.slow
def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        shared = rng.normal(size=40).repeat(2)
        interval = mean_interval(
            shared + 0.5 * rng.normal(size=80), np.arange(40).repeat(2), resamples=999
        )
        covered += interval.low <= 0 <= interval.high
    assert (
        0.915 <= covered / 2000 <= 0.965
    )  # standard error 0.006; BCa is a little narrow at n = 40

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dicegrad.errors import InputError
from dicegrad.evaluation.ranks import (
    flipped_sums,
    holm,
    rank_methods,
    sign_flip_test,
)

half_steps = st.integers(-8, 8).map(lambda k: k / 2)
floats = st.floats(-10, 10, allow_nan=False).map(lambda x: round(x, 3))


def brute_force(differences):
    """(strict, inclusive) p by walking all sign patterns with exact fractions."""
    steps = [Fraction(d).limit_denominator(10**6) for d in differences]
    observed = abs(sum(steps))
    sums = [
        abs(sum(s * d for s, d in zip(signs, steps, strict=True)))
        for signs in product((1, -1), repeat=len(steps))
    ]
    strict = sum(s > observed for s in sums) / len(sums)
    return strict, sum(s >= observed for s in sums) / len(sums)


@pytest.mark.parametrize(
    ("differences", "strict", "inclusive"),
    [
        ([1], 0, 1),  # +1 and -1 are equally extreme
        ([1, 1], 0, 1 / 2),
        ([1, -1], 1 / 2, 1),
        ([1, 1, 1], 0, 2 / 8),
        ([1, 1, -1], 2 / 8, 1),
        ([2, 1, 1, 1], 0, 2 / 16),
        ([2, 1, 1, -1], 2 / 16, 8 / 16),  # |sum| 3: 5 twice beats it, 3 comes six times
        ([1, 1, 1, 1, -1], 2 / 32, 12 / 32),
        ([1, 1, 1, 1, 1, 1], 0, 2 / 64),
        ([0.5, 0.5, -0.5, 1.5], 2 / 16, 8 / 16),  # half ranks, as ties give them
    ],
)
def test_p_values_counted_by_hand(differences, strict, inclusive):
    result = sign_flip_test(differences)
    assert result.method == "exact"
    assert result.p_value == pytest.approx(strict, abs=1e-15)
    assert result.p_inclusive == pytest.approx(inclusive, abs=1e-15)


@given(st.lists(half_steps, min_size=1, max_size=9).filter(any))
def test_dynamic_programming_counts_every_pattern(differences):
    result = sign_flip_test(differences, method="exact")
    assert (result.p_value, result.p_inclusive) == pytest.approx(brute_force(differences))


@settings(max_examples=50)
@given(st.lists(floats, min_size=1, max_size=9).filter(any))
def test_halves_count_every_pattern(differences):
    result = sign_flip_test(differences, method="exact")
    assert (result.p_value, result.p_inclusive) == pytest.approx(brute_force(differences))


def within_error(exact, drawn, draws):
    """Five standard errors of a share, and what one draw more or less makes."""
    return abs(exact - drawn) <= 5 * np.sqrt(exact * (1 - exact) / draws) + 2 / draws


@settings(max_examples=40, deadline=None)
@given(st.lists(half_steps, min_size=2, max_size=120).filter(any), st.integers(0, 2**32))
def test_exact_and_drawn_p_agree_on_ranks(differences, seed):
    exact = sign_flip_test(differences, method="exact")
    drawn = sign_flip_test(differences, method="monte carlo", draws=20_000, seed=seed)
    assert drawn.method == "monte carlo"
    assert within_error(exact.p_value, drawn.p_value, 20_000)
    assert within_error(exact.p_inclusive, drawn.p_inclusive, 20_000)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 30), st.integers(0, 2**32))
def test_exact_and_drawn_p_agree_on_raw_differences(n, seed):
    differences = np.random.default_rng(seed).normal(0.2, 1, n)
    exact = sign_flip_test(differences, method="exact")
    drawn = sign_flip_test(differences, method="monte carlo", draws=20_000, seed=seed)
    assert within_error(exact.p_value, drawn.p_value, 20_000)


@pytest.mark.parametrize("seed", range(5))
def test_inclusive_p_is_scipys_permutation_test(seed):
    differences = np.random.default_rng(seed).normal(0.5, 1, 9)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert sign_flip_test(differences).p_inclusive == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("seed", range(5))
def test_on_signed_ranks_it_is_wilcoxons_test(seed):
    differences = np.random.default_rng(seed).normal(0.3, 1, 25)
    signed = np.sign(differences) * stats.rankdata(np.abs(differences))
    theirs = stats.wilcoxon(differences, method="exact")
    assert sign_flip_test(signed).p_inclusive == pytest.approx(theirs.pvalue)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 20))
def test_for_two_methods_it_is_the_sign_test_with_ties_as_zero(wins, losses, ties):
    values = np.array([[0.9, 0.8]] * wins + [[0.8, 0.9]] * losses + [[0.5, 0.5]] * ties)
    if not wins + losses:
        return
    ranks = rank_methods(values, larger_is_better=True)
    result = sign_flip_test(ranks[:, 0] - ranks[:, 1])
    theirs = stats.binomtest(wins, wins + losses)
    assert result.p_inclusive == pytest.approx(theirs.pvalue)
    share_equal = stats.binom.pmf(wins, wins + losses, 0.5) * (1 if wins == losses else 2)
    assert result.p_value == pytest.approx(theirs.pvalue - share_equal, abs=1e-12)


@given(st.lists(half_steps, min_size=1, max_size=40))
def test_the_sign_of_the_difference_and_the_order_of_cases_do_not_matter(differences):
    one = sign_flip_test(differences)
    assert sign_flip_test([-d for d in differences]) == one
    assert sign_flip_test(differences[::-1]) == one


def test_large_samples_stay_exact_and_sum_to_one():
    differences = np.where(np.arange(1999) % 3 == 0, -1.0, 1.0)
    result = sign_flip_test(differences, method="exact")
    wins = int((differences > 0).sum())
    assert result.p_inclusive == pytest.approx(stats.binomtest(wins, 1999).pvalue, rel=1e-9)


def test_no_difference_at_all_is_no_evidence():
    assert sign_flip_test([0, 0, 0]).p_value == 1


def test_no_case_has_no_p():
    result = sign_flip_test([np.nan])
    assert result.n == 0
    assert np.isnan(result.p_value)


def test_cases_without_a_value_are_left_out():
    assert sign_flip_test([1, np.nan, 1, -1]) == sign_flip_test([1, 1, -1])


def test_too_many_raw_differences_are_drawn_and_seeded():
    differences = np.random.default_rng(0).normal(size=60)
    one, two = (sign_flip_test(differences, draws=2000, seed=seed) for seed in (1, 2))
    assert one.method == "monte carlo"
    assert one == sign_flip_test(differences, draws=2000, seed=1)
    assert one.p_value != two.p_value
    with pytest.raises(InputError, match="of 60 differences does not fit: use 'auto'"):
        sign_flip_test(differences, method="exact")


def test_cases_of_a_subject_flip_together():
    # Two subjects of three agreeing cases are two independent signs, not six.
    together = sign_flip_test([1] * 6, subjects=["a"] * 3 + ["b"] * 3)
    assert together.n == 6
    assert together.p_inclusive == 1 / 2
    assert sign_flip_test([1] * 6).p_inclusive == 2 / 64


def test_drawn_sums_have_the_moments_of_independent_signs():
    steps = np.random.default_rng(0).normal(size=21)
    sums = flipped_sums(steps, 200_000, 4)
    variance = (steps**2).sum()
    assert sums.mean() == pytest.approx(0, abs=5 * np.sqrt(variance / 200_000))
    assert sums.var() == pytest.approx(variance, rel=0.02)
    parts = {round(abs(s), 9) for s in flipped_sums(steps[:3], 2000, 0)}
    a, b, c = steps[:3]
    assert parts == {round(abs(a + s * b + t * c), 9) for s in (1, -1) for t in (1, -1)}


def test_the_best_has_rank_one_and_ties_share_their_mean_rank():
    ranks = rank_methods([[0.9, 0.7, 0.8], [0.5, 0.5, 0.1]], larger_is_better=True)
    np.testing.assert_array_equal(ranks, [[1, 3, 2], [1.5, 1.5, 3]])
    ranks = rank_methods([[4.0, 1.0, 1.0]], larger_is_better=False)
    np.testing.assert_array_equal(ranks, [[3, 1.5, 1.5]])


def test_a_case_counts_where_every_method_has_a_value():
    ranks = rank_methods([[0.9, np.nan], [0.9, 0.8], [np.nan, np.nan]], larger_is_better=True)
    np.testing.assert_array_equal(ranks, [[1, 2]])
    assert rank_methods(np.empty((0, 2)), larger_is_better=True).shape == (0, 2)


def test_holm_by_hand_and_with_a_gap():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(p_values):
    corrected = holm(p_values)
    assert np.all(corrected >= np.array(p_values) - 1e-15)
    assert np.all(corrected <= np.minimum(1, np.array(p_values) * len(p_values)) + 1e-15)
    assert np.all(np.diff(corrected[np.argsort(p_values, kind="stable")]) >= -1e-15)


def null_study(rng, subjects, cases_each):
    """Differences without an effect, where the cases of a subject share most of theirs."""
    shared = rng.normal(size=subjects).repeat(cases_each)
    owners = np.arange(subjects).repeat(cases_each)
    return shared + 0.3 * rng.normal(size=owners.size), owners


@pytest.mark.slow
@pytest.mark.parametrize("ranked", [True, False], ids=["ranks", "raw"])
def test_type_one_error_is_near_five_percent_with_clustered_subjects(ranked):
    rng = np.random.default_rng(0)
    clustered, ignoring, strict = [], [], []
    for _ in range(4000):
        differences, owners = null_study(rng, 50, 4)
        if ranked:  # tied methods, as many cases have them, and winners else
            differences = np.where(np.abs(differences) < 0.2, 0, np.sign(differences))
        one = sign_flip_test(differences, owners, draws=2000)
        clustered.append(one.p_inclusive < 0.05)
        strict.append(one.p_value < 0.05)
        ignoring.append(sign_flip_test(differences, draws=2000).p_inclusive < 0.05)
    # Standard error of a share of 0.05 among 4,000: 0.0034.
    assert 0.03 <= np.mean(clustered) <= 0.06
    assert 0.04 <= np.mean(strict) <= 0.065
    assert np.mean(ignoring) > 0.15  # what the flips by subject protect from


@pytest.mark.parametrize(
    ("differences", "settings_", "named"),
    [
        ([1.0, np.inf], {}, r"differences\[1\] is inf"),
        ([1.0, -np.inf], {}, r"differences\[1\] is -inf"),
        ([[1.0]], {}, r"differences has shape \(1, 1\)"),
        ([1.0, 2.0], {"subjects": ["a"]}, r"subjects has shape \(1,\) for 2 differences"),
        ([1.0, 2.0], {"draws": 0}, "draws is 0; it must be at least 1"),
    ],
)
def test_what_cannot_be_tested_is_named(differences, settings_, named):
    with pytest.raises(InputError, match=named):
        sign_flip_test(differences, **settings_)


def test_one_sided_differences_are_the_most_extreme_there_are():
    result = sign_flip_test([0.3, 0.2, 0.1])
    assert result.p_value == 0
    assert result.p_inclusive == 2**-2

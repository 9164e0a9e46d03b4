"""Another seed is another training run, not another case."""

import numpy as np
import pandas as pd
import pytest

from dicegrad.evaluation.agreement import agreement
from dicegrad.evaluation.comparisons import compare
from dicegrad.evaluation.empty import dice_rules, empty_decisions
from dicegrad.evaluation.failed import failed_runs
from dicegrad.evaluation.gaps import gaps
from dicegrad.evaluation.roc_curves import roc_table
from dicegrad.evaluation.scores import collect_scores, read_scores, write_scores
from dicegrad.evaluation.seeds import over_seeds, seeds_of, volume_error, with_spread
from dicegrad.reporting.tables import table1
from tests.reporting.conftest import DATASETS, make_scores

HEART = {"heart": DATASETS["heart"]}


@pytest.fixture(scope="module")
def single():
    return make_scores(("heart",))


@pytest.fixture(scope="module")
def runs(single):
    """Three seeds: the first, one that is 0.03 worse, and one that is 0.06 worse."""
    parts = [
        single.assign(
            seed=seed,
            dsc=(single["dsc"] - 0.03 * seed).clip(0),
            volume_pred_ml=single["volume_pred_ml"] * (1 - 0.1 * seed),
        )
        for seed in range(3)
    ]
    return pd.concat(parts, ignore_index=True)


def same_but_for_seeds(scores, times=3):
    """The same training run, as if it had been trained with several seeds to the same end."""
    return pd.concat([scores.assign(seed=seed) for seed in range(times)], ignore_index=True)


def test_one_seed_changes_no_table(single):
    assert over_seeds(single) is single
    assert seeds_of(single) == []
    table = pd.DataFrame({"dsc": [0.5]})
    assert with_spread(table, single, ["dataset"], {"dsc": "dsc"}) is table


def test_a_case_is_its_mean_over_the_seeds(single, runs):
    means = over_seeds(runs)
    assert len(means) == len(single)
    assert list(means["case"]) == list(single["case"])
    first = means.iloc[0]
    of_case = runs[(runs["case"] == first["case"]) & (runs["class"] == first["class"])]
    of_case = of_case[(of_case["labeling"] == first["labeling"])]
    of_case = of_case[of_case["setup"] == first["setup"]]
    assert len(of_case) == 3
    assert first["dsc"] == pytest.approx(of_case["dsc"].mean())
    assert "seed" not in means


def test_errors_of_both_signs_do_not_cancel_over_the_seeds():
    keys = {"dataset": "d", "case": "p1", "class": "LV", "volume_true_ml": 10.0}
    rows = [
        {**keys, "seed": seed, "volume_pred_ml": 10.0 + error} for seed, error in ((0, -4), (1, 4))
    ]
    (mean,) = over_seeds(pd.DataFrame(rows)).to_dict("records")
    assert mean["volume_pred_ml"] == 10
    assert mean["volume_error_ml"] == 4
    assert volume_error(pd.DataFrame([mean])).tolist() == [4]


def test_a_distance_that_some_seeds_lack_is_the_mean_of_the_others():
    keys = {"case": "p1", "class": "LV", "volume_true_ml": 1.0, "volume_pred_ml": 1.0}
    rows = [{**keys, "seed": seed, "hd95_mm": value} for seed, value in enumerate((2, 4, np.nan))]
    assert over_seeds(pd.DataFrame(rows))["hd95_mm"].tolist() == [3]


def test_seeds_that_agree_make_no_result_surer(single):
    """Three identical runs: the same n, intervals and p values as one, bit for bit."""
    means = over_seeds(same_but_for_seeds(single))
    one, three = (compare(scores, draws=1000) for scores in (single, means))
    pd.testing.assert_frame_equal(one, three)
    first, again = (table1(s, c, HEART) for s, c in ((single, one), (means, three)))
    pd.testing.assert_frame_equal(first, again)


@pytest.mark.parametrize("make", [empty_decisions, dice_rules])
def test_rates_of_empty_maps_count_cases_not_training_runs(single, make):
    once, three = make(single, HEART), make(same_but_for_seeds(single), HEART)
    pd.testing.assert_frame_equal(once, three, check_exact=False, check_dtype=False)


def test_a_case_that_one_of_two_seeds_leaves_empty_is_half_an_empty_case(single):
    other = single.assign(seed=1, volume_pred_ml=0.0)
    kept = single.assign(seed=0, volume_pred_ml=single["volume_true_ml"])
    found = empty_decisions(pd.concat([kept, other], ignore_index=True), HEART)
    assert (found["rate"] == 0.5).all()
    assert (found["empty"] == found["n"] / 2).all()
    assert ((found["rate_low"] < 0.5) & (found["rate_high"] > 0.5)).all()


def test_table_1_holds_the_spread_over_the_seeds(runs):
    means = over_seeds(runs)
    table = table1(means, compare(means, draws=1000), HEART, runs=runs)
    assert (table["seeds"] == 3).all()
    full = table[(table["labeling"] == "full") & (table["dsc"] > 0.2)]
    assert full["dsc_seed_sd"].to_numpy() == pytest.approx(0.03)
    row = full.iloc[0]
    cell = ["labeling", "batch_size", "setup", "group", "class"]
    here = runs[runs[cell].eq(row[cell]).all(axis=1)]
    by_seed = (here["volume_pred_ml"] - here["volume_true_ml"]).groupby(here["seed"]).mean()
    assert row["delta_volume_ml_seed_sd"] == pytest.approx(by_seed.std())
    assert row["n"] == here["case"].nunique()


def test_gaps_hold_the_spread_of_the_maps_that_they_show(single):
    runs = pd.concat([single.assign(seed=0), single.assign(seed=1, dsc=single["dsc"] / 2)])
    table = gaps(over_seeds(runs), HEART, runs)
    # Means of m and m / 2: their standard deviation is m / 2 / sqrt(2), their mean 3 m / 4.
    assert table["dsc_seed_sd"].to_numpy() == pytest.approx(table["dsc"] * 2 / 3 / np.sqrt(2))


def test_each_seed_has_a_curve_of_its_own(single, runs):
    found = roc_table(runs, HEART)
    assert set(found["seed"]) == {0, 1, 2}
    first = found[found["seed"] == 0].drop(columns="seed").reset_index(drop=True)
    pd.testing.assert_frame_equal(first, roc_table(single, HEART))


def test_limits_of_agreement_are_those_of_single_training_runs(single):
    """The mean of a run too small and one too large agrees better than either."""
    worse = [
        single.assign(seed=seed, volume_pred_ml=single["volume_true_ml"] + error)
        for seed, error in ((0, -5.0), (1, 5.0))
    ]
    found = agreement(pd.concat(worse, ignore_index=True))
    assert found["bias_ml"].abs().max() == pytest.approx(0, abs=1e-9)
    assert (found["limit_high"] > 9).all()


def test_a_run_that_stayed_behind_is_named_with_its_seed(single):
    bad = (single["labeling"] == "full") & (single["fold"] == 1) & (single["class"] == "LV")
    volumes = single["volume_pred_ml"].mask(bad, 0.0)
    runs = pd.concat([single.assign(seed=4), single.assign(seed=7, volume_pred_ml=volumes)])
    found = failed_runs(runs, HEART)
    assert set(zip(found["seed"], found["fold"], strict=True)) == {(7, 1)}


def test_collected_scores_have_a_column_of_the_seed_only_where_there_are_several(single, tmp_path):
    one = single[(single["setup"] == "I") & (single["labeling"] == "full")].drop(columns="setup")
    paths = [tmp_path / f"{number}.tsv" for number in range(2)]
    for path in paths:
        write_scores(one, path)
    assert "seed" not in collect_scores(paths[:1], ["I"], [3])
    scores = collect_scores(paths, ["I", "I"], [3, 8])
    write_scores(scores, tmp_path / "scores.tsv")
    read = read_scores(tmp_path / "scores.tsv")
    assert read["seed"].tolist() == [3] * len(one) + [8] * len(one)
    assert list(read.columns).index("seed") == list(read.columns).index("setup") + 1

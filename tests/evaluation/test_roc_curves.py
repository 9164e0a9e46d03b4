import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dicegrad.errors import InputError
from dicegrad.evaluation.auc import auc
from dicegrad.evaluation.roc_curves import ROC_COLUMNS, auc_on_grid, roc_curve, roc_table
from dicegrad.reporting.paper import areas_beside_paper
from tests.evaluation.conftest import DATASETS

volumes = st.lists(st.integers(0, 12), min_size=1, max_size=15)


def test_curve_by_hand():
    curve = roc_curve([5, 3, 3, 0], [True, True, False, False])
    np.testing.assert_array_equal(curve.threshold, [np.inf, 5, 3, 0])
    np.testing.assert_array_equal(curve.true_positive_rate, [0, 0.5, 1, 1])
    np.testing.assert_array_equal(curve.false_positive_rate, [0, 0, 0.5, 1])


@given(volumes, volumes)
def test_area_under_the_curve_is_the_share_of_won_pairs(positives, negatives):
    cases = np.array(positives + negatives, float)
    positive = np.arange(len(cases)) < len(positives)
    curve = roc_curve(cases, positive)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    wins = stats.mannwhitneyu(positives, negatives).statistic
    assert area == pytest.approx(wins / len(positives) / len(negatives))
    result = auc(cases, positive, np.arange(len(cases)))
    assert result.value == pytest.approx(area)
    assert 0 <= result.low <= result.value <= result.high <= 1


@given(volumes, volumes)
def test_each_point_is_what_its_threshold_gives(positives, negatives):
    cases = np.array(positives + negatives, float)
    positive = np.arange(len(cases)) < len(positives)
    curve = roc_curve(cases, positive)
    called = cases[None] >= curve.threshold[:, None]
    np.testing.assert_allclose(curve.true_positive_rate, called[:, positive].mean(axis=1))
    np.testing.assert_allclose(curve.false_positive_rate, called[:, ~positive].mean(axis=1))


def test_a_fine_grid_gives_the_exact_area():
    rng = np.random.default_rng(0)
    cases, positive = rng.uniform(0, 100, 60), np.arange(60) < 30
    grid = np.linspace(-1, 101, 200_001)
    assert auc_on_grid(cases, positive, grid) == pytest.approx(
        auc(cases, positive, range(60)).value
    )
    coarse = auc_on_grid(cases, positive)
    assert coarse == pytest.approx(auc(cases, positive, range(60)).value, abs=0.02)


def test_roc_table_holds_a_curve_per_training_on_partial_labels(scores, datasets):
    table = roc_table(scores, datasets)
    assert list(table.columns) == list(ROC_COLUMNS)
    assert set(table["setup"]) == {"I", "BI", "marginal", "leaf"}
    assert set(table["class"]) == {"MYO"}
    assert set(table["positive"]) == {"ED"}
    areas = table.drop_duplicates("setup").set_index("setup")["auc"]
    assert areas["BI"] == 1
    assert 0.2 < areas["I"] < 0.8
    for _, curve in table.groupby("setup"):
        assert curve["true_positive_rate"].is_monotonic_increasing
        assert curve["false_positive_rate"].is_monotonic_increasing


def test_areas_on_the_papers_grids_stand_beside_the_exact_one(scores, datasets):
    table = roc_table(scores, datasets)
    curve = table[table["setup"] == "I"].iloc[0]
    cases = scores[(scores["labeling"] == "partial") & (scores["class"] == "MYO")]
    cases = cases[(cases["phi"] == "I") & (cases["loss"] == "dice")]
    volumes, positive = cases["volume_pred_ml"], cases["group"] == "ED"
    assert curve["auc_grid"] == auc_on_grid(volumes, positive)
    assert curve["auc_grid_1ml"] == auc_on_grid(volumes, positive, np.arange(-1, 1001))
    areas = areas_beside_paper(table)
    assert len(areas) == 4
    assert areas["auc_paper"].isna().all()  # hearts are not ACDC
    acdc = areas_beside_paper(table.assign(dataset="acdc")).set_index("setup")["auc_paper"]
    assert acdc["I"] == 0.43
    assert acdc["BI"] == 0.92
    assert np.isnan(acdc["leaf"])


def test_the_labeling_with_the_most_missing_labels_has_the_curves(scores, datasets):
    half = scores[scores["labeling"] == "partial"].assign(labeling="partial-50")
    both = pd.concat([scores, half])
    assert set(roc_table(both, datasets)["labeling"]) == {"partial"}
    assert set(roc_table(half, datasets)["labeling"]) == {"partial-50"}


def taking(**cells):
    """What a dataset says of labelings that each take a share of MYO from some groups."""
    shares = {
        name: {group: {"LV": 0.0, "MYO": taken.get(group, 0.0)} for group in ("ED", "ES")}
        for name, taken in {"full": {}, **cells}.items()
    }
    return {**DATASETS["heart"], "labelings": shares}


def test_the_curves_are_of_the_labeling_that_takes_the_most_whatever_its_name(scores):
    gone = scores[scores["labeling"] == "partial"]
    kept = gone.assign(volume_pred_ml=gone["volume_true_ml"], labeling="keep-most")
    both = pd.concat([scores[scores["labeling"] == "full"], gone.assign(labeling="all"), kept])
    about = taking(**{"all": {"ES": 1.0}, "keep-most": {"ES": 0.1}})
    table = roc_table(both, {"heart": about})
    assert set(table["labeling"]) == {"all"}
    assert set(table.loc[table["setup"] == "BI", "auc"]) == {1.0}


def test_the_negative_group_is_the_one_whose_labels_that_labeling_takes(scores):
    """Although `partial` would take them from ES."""
    swapped = scores.assign(group=scores["group"].map({"ED": "ES", "ES": "ED"}))
    swapped["labeling"] = swapped["labeling"].replace("partial", "drop-ed")
    table = roc_table(swapped, {"heart": taking(**{"drop-ed": {"ED": 1.0}})})
    assert (set(table["negative"]), set(table["positive"])) == ({"ED"}, {"ES"})
    assert set(table.loc[table["setup"] == "BI", "auc"]) == {1.0}


def test_groups_that_lack_labels_together_are_negative_together(scores):
    third = scores[scores["group"] == "ES"].assign(group="later")
    three = pd.concat([scores, third.assign(case=third["case"] + "later")])
    three["labeling"] = three["labeling"].replace("partial", "after-ed")
    about = taking(**{"after-ed": {"ES": 1.0}})
    about["labelings"]["after-ed"]["later"] = {"LV": 0.0, "MYO": 1.0}
    about["groups"] = ["ED", "ES", "later"]
    table = roc_table(three, {"heart": about})
    assert (set(table["negative"]), set(table["positive"])) == ({"ES+later"}, {"ED"})
    assert set(table["n_negative"]) == {24}


def test_a_labeling_that_takes_labels_from_every_group_has_no_curve(scores):
    everywhere = taking(partial={"ED": 0.5, "ES": 0.5})
    assert roc_table(scores, {"heart": everywhere}).empty


def test_without_both_groups_there_is_no_curve(scores, datasets):
    assert roc_table(scores[scores["group"] == "ED"], datasets).empty
    empty = roc_table(scores[scores["labeling"] == "full"], datasets)
    assert list(empty.columns) == list(ROC_COLUMNS)


@pytest.mark.parametrize(
    ("volumes", "positive", "named"),
    [
        (
            [1.0, np.nan, 3.0],
            [True, False, True],
            r"volumes\[1\] is nan; every volume must be finite",
        ),
        ([np.inf, 2.0, 3.0], [True, False, True], r"volumes\[0\] is inf"),
        ([1.0, 2.0, 3.0], [True] * 3, "all 3 cases are positive"),
        ([1.0, 2.0, 3.0], [False] * 3, "all 3 cases are negative"),
        ([1.0, 2.0], [True, False, True], r"volumes has shape \(2,\) and positive \(3,\)"),
    ],
)
def test_what_has_no_curve_is_named(volumes, positive, named):
    with pytest.raises(InputError, match=named):
        roc_curve(volumes, positive)
    with pytest.raises(InputError, match=named):
        auc(volumes, positive, range(len(volumes)))

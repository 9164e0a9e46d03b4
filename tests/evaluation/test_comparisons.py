import numpy as np
import pandas as pd
import pytest

from dicegrad.evaluation.comparisons import COMPARISON_COLUMNS, compare
from dicegrad.evaluation.ranks import holm


def pick(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def test_every_question_of_the_study_has_its_rows(scores):
    table = compare(scores)
    assert list(table.columns) == list(COMPARISON_COLUMNS)
    cells = 2 * 2 * 2  # group x class x metric
    assert len(pick(table, question="labeling")) == 2 * cells  # setups I and BI
    assert len(pick(table, question="loss")) == 3 * cells  # pairs of I, marginal, leaf
    pairs = pick(table, question="loss")[["setup_a", "setup_b"]].drop_duplicates().to_numpy()
    assert pairs.tolist() == [["leaf", "marginal"], ["leaf", "I"], ["marginal", "I"]]
    assert set(table["method"]) == {"exact"}


def test_learnt_empty_maps_are_significantly_worse_and_nothing_else_is(scores):
    table = compare(scores)
    lost = pick(table, question="labeling", setup_a="BI", group="ES", **{"class": "MYO"})
    assert (lost["p_value"] == 0).all()  # all 12 agree: no pattern is more extreme
    assert lost["p_inclusive"].tolist() == [2 / 2**12] * 2
    dsc = pick(lost, metric="dsc").iloc[0]
    assert (dsc["labeling_a"], dsc["labeling_b"]) == ("partial", "full")
    assert dsc["difference"] == pytest.approx(dsc["mean_a"] - dsc["mean_b"])
    assert dsc["ci_low"] <= dsc["difference"] <= dsc["ci_high"] < -0.8
    assert dsc["effect_wins"] == -1
    assert pick(lost, metric="volume_error_ml").iloc[0]["effect_wins"] == -1
    rest = table.drop(lost.index)
    assert (rest["p_holm"] > 0.05).all()


def test_holm_counts_the_tests_of_one_question_and_metric(scores):
    table = compare(scores)
    for _, family in table.groupby(["dataset", "question", "metric"]):
        np.testing.assert_allclose(family["p_holm"], holm(family["p_value"]))


def test_three_losses_are_ranked_together(scores):
    table = pick(compare(scores), question="loss", metric="dsc", group="ED", **{"class": "LV"})
    ranks = {
        **dict(zip(table["setup_a"], table["mean_rank_a"], strict=True)),
        **dict(zip(table["setup_b"], table["mean_rank_b"], strict=True)),
    }
    assert sum(ranks.values()) == pytest.approx(1 + 2 + 3)


def test_volume_error_is_absolute(scores):
    scores["volume_pred_ml"] = scores["volume_true_ml"] + np.where(scores.index % 2, 3.0, -3.0)
    table = pick(compare(scores), metric="volume_error_ml")
    assert table["mean_a"].to_numpy() == pytest.approx(3)
    assert (table["p_value"] == 1).all()


def test_cases_that_one_side_lacks_are_left_out(scores):
    gone = (scores["labeling"] == "partial") & (scores["phi"] == "BI") & (scores["fold"] == 1)
    table = pick(compare(scores[~gone]), question="labeling")
    assert set(pick(table, setup_a="BI")["n"]) == {6}
    assert set(pick(table, setup_a="I")["n"]) == {12}
    scores.loc[scores.index[0], "dsc"] = np.nan
    first = pick(compare(scores), setup_a="I", metric="dsc", group="ED", **{"class": "LV"})
    assert set(pick(first, question="labeling")["n"]) == {11}


@pytest.mark.parametrize(
    "keep",
    [
        lambda s: s["labeling"] == "full",
        lambda s: (s["labeling"] == "partial") & (s["loss"] == "dice"),
        lambda s: s["loss"] == "leaf",
        lambda s: s["dataset"] == "none",
    ],
)
def test_a_study_that_asks_no_question_has_no_rows(scores, keep):
    table = compare(scores[keep(scores)])
    assert table.empty
    assert list(table.columns) == list(COMPARISON_COLUMNS)


def test_one_comparator_is_enough_for_the_question_of_losses(scores):
    table = compare(scores[scores["loss"] != "leaf"])
    pairs = pick(table, question="loss")[["setup_a", "setup_b"]].drop_duplicates()
    assert pairs.to_numpy().tolist() == [["marginal", "I"]]


def test_a_single_case_is_compared_without_a_crash(scores):
    table = compare(scores[scores["subject"] == "0"])
    assert set(table["n"]) == {1}
    assert table["ci_low"].isna().all()
    assert (table["p_inclusive"] == 1).all()


def test_batch_sizes_are_compared_within_themselves(scores):
    eight = scores[scores["phi"] == "BI"].assign(batch_size=8)
    table = compare(eight)
    assert set(table["batch_size"]) == {8}
    assert set(table["question"]) == {"labeling"}


def test_shares_of_partial_labels_are_compared_with_full_labels_too(scores):
    half = scores[scores["labeling"] == "partial"].assign(labeling="partial-50")
    table = compare(pd.concat([scores, half]))
    asked = table[table["question"] == "labeling"]
    assert set(asked["labeling_a"]) == {"partial", "partial-50"}
    assert set(asked["labeling_b"]) == {"full"}
    one, two = (asked[asked["labeling_a"] == name] for name in ("partial", "partial-50"))
    assert one["p_value"].tolist() == two["p_value"].tolist()
    losses = table[table["question"] == "loss"]
    assert (losses["labeling_a"] == losses["labeling_b"]).all()
    assert losses["labeling_a"].value_counts().nunique() == 1

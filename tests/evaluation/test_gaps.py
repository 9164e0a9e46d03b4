import numpy as np
import pytest

from dicegrad.evaluation.gaps import gaps


def test_a_gap_is_scored_on_the_maps_that_it_takes_something_from(scores, datasets):
    table = gaps(scores, datasets).set_index(["labeling", "setup"])
    of_bi = scores[(scores["labeling"] == "partial") & (scores["setup"] == "BI")]
    lost = of_bi[(of_bi["group"] == "ES") & (of_bi["class"] == "MYO")]
    row = table.loc[("partial", "BI")]
    assert (row["classes"], row["n"]) == ("MYO", len(lost))
    assert row["dsc"] == pytest.approx(lost["dsc"].mean()) == 0
    assert table.loc[("partial", "I"), "dsc"] > 0.85


def test_what_full_labels_reach_is_of_the_same_maps(scores, datasets):
    table = gaps(scores, datasets).set_index(["labeling", "setup"])
    full = scores[(scores["labeling"] == "full") & (scores["class"] == "MYO")]
    best = full[full["group"] == "ES"].groupby("setup")["dsc"].mean().max()
    assert table.loc[("partial", "I"), "dsc_full"] == pytest.approx(best)
    assert table.loc[("partial", "I"), "dsc_low"] < table.loc[("partial", "I"), "dsc"]


def test_a_labeling_that_takes_only_slices_concerns_every_map(scores, datasets):
    scores.loc[scores["labeling"] == "partial", "labeling"] = "slices-2"
    datasets["heart"]["labelings"] = {"slices-2": {"ES": {"MYO": 0.0}}}
    table = gaps(scores, datasets).set_index(["labeling", "setup"])
    row = table.loc[("slices-2", "I")]
    here = scores[(scores["labeling"] == "slices-2") & (scores["setup"] == "I")]
    assert row["n"] == len(here)
    assert row["classes"] == "LV, MYO"


def test_without_full_labels_there_is_nothing_to_compare_with(scores, datasets):
    table = gaps(scores[scores["labeling"] == "partial"], datasets)
    assert np.isnan(table["dsc_full"]).all()
    assert len(table) == scores.loc[scores["labeling"] == "partial", "setup"].nunique()

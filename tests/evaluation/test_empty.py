import numpy as np
import pandas as pd
import pytest

from dicegrad.evaluation.empty import dice_rules, empty_decisions, rules_side_by_side


def test_empty_maps_are_counted_where_they_should_be_and_where_not(scores, datasets):
    table = empty_decisions(scores, datasets)
    assert set(table["class"]) == {"MYO"}
    target = table[table["should_be_empty"]].set_index("setup")
    assert set(target["group"]) == {"ES"}
    assert set(target["labeling"]) == {"partial"}
    assert target.loc["BI", "rate"] == 1
    assert target.loc["I", "rate"] == 0
    assert 0.7 < target.loc["BI", "rate_low"] < 1 == target.loc["BI", "rate_high"]
    assert (table.loc[~table["should_be_empty"], "rate"] == 0).all()


def test_a_few_stray_voxels_can_count_as_empty(scores, datasets):
    scores["volume_pred_ml"] += 0.5
    strict = empty_decisions(scores, datasets)
    assert strict["empty"].sum() == 0
    assert empty_decisions(scores, datasets, at_most_ml=1)["empty"].sum() == 12


def test_a_map_that_is_truly_empty_or_that_nobody_drew_is_no_false_alarm(scores, datasets):
    of_i = scores[(scores["labeling"] == "full") & (scores["setup"] == "I")].reset_index(drop=True)
    ed = of_i.index[(of_i["group"] == "ED") & (of_i["class"] == "MYO")]
    empty, unknown, missed = ed[:3], ed[3:5], ed[5]
    of_i.loc[ed[:6], "volume_pred_ml"] = 0.0
    of_i.loc[empty, ["volume_true_ml", "dsc"]] = 0.0, 1.0
    of_i.loc[unknown, ["volume_true_ml", "dsc"]] = np.nan
    of_i.loc[missed, "dsc"] = 0.0
    row = empty_decisions(of_i, datasets).set_index("group").loc["ED"]
    assert (row["n"], row["empty"]) == (len(ed) - 5, 1)
    of_i = of_i.drop(ed[5:])
    assert list(empty_decisions(of_i, datasets)["group"]) == ["ES"]


def test_rules_part_on_the_training_truth_and_agree_on_the_full_one(scores, datasets):
    table = dice_rules(scores, datasets)
    full = table[table["truth"] == "full"]
    assert (full["counted"] == full["n"]).all()
    cells = full.groupby(["labeling", "setup", "group"])["dsc"]
    assert (cells.max() - cells.min()).max() == pytest.approx(0)
    learnt = table[(table["truth"] == "training") & (table["setup"] == "BI")].set_index("rule")
    assert learnt.loc["dicegrad", "dsc"] == 1
    assert learnt.loc["monai", "counted"] == learnt.loc["nnunet", "counted"] == 0
    assert np.isnan(learnt.loc["nnunet", "dsc"])
    ignored = table[(table["truth"] == "training") & (table["setup"] == "I")].set_index("rule")
    assert ignored.loc["nnunet", "dsc"] == ignored.loc["dicegrad", "dsc"] == 0


def test_a_map_is_empty_although_its_probabilities_add_up_to_something(scores, datasets):
    soft = scores.assign(
        volume_map_ml=scores["volume_pred_ml"], volume_pred_ml=scores["volume_pred_ml"] + 0.5
    )
    for table in (empty_decisions, dice_rules):
        pd.testing.assert_frame_equal(table(soft, datasets), table(scores, datasets))


def test_rules_side_by_side_hold_what_the_long_table_holds(scores, datasets):
    long = dice_rules(scores, datasets)
    wide = rules_side_by_side(long)
    assert len(wide) * 4 == len(long)
    learnt = wide[(wide["truth"] == "training") & (wide["setup"] == "BI")].iloc[0]
    assert learnt[["dicegrad", "deepvoxnet2"]].tolist() == [1, 1]
    assert learnt[["monai", "nnunet"]].isna().all()

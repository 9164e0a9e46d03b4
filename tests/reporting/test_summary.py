import re

import pandas as pd

from dicegrad.evaluation.comparisons import compare
from dicegrad.evaluation.failed import failed_runs
from dicegrad.reporting.summary import summarise
from dicegrad.reporting.tables import table1
from tests.reporting.conftest import make_scores


def change(table, value, **where):
    chosen = table["dsc"].notna()
    for column, wanted in where.items():
        chosen &= table[column] == wanted
    assert chosen.any()
    return table.assign(dsc=table["dsc"].mask(chosen, value))


def test_the_papers_finding_is_told_with_its_numbers(table, datasets):
    text = summarise(table, datasets)
    assert re.search(r"heart: MYO is missing in ES\n  full labels: DSC 0\.9\d", text)
    assert re.search(r"I ignores the missing labels: DSC ES 0\.9\d \(full labels 0\.9\d\)", text)
    assert "BI learns the empty maps: DSC ES 0.02" in text
    assert "I_eps learns the empty maps: DSC LGG 0.02" in text
    assert text.endswith("8 of 8 experiments with partial labels came out as theory expects.")
    assert "!" not in text


def test_a_setup_that_does_not_do_as_expected_is_marked(table, datasets):
    odd = change(table, 0.91, dataset="heart", labeling="partial", setup="BI", group="ES")
    text = summarise(odd, datasets)
    assert "  ! BI ignores the missing labels: DSC ES 0.91" in text
    assert text.endswith("7 of 8 experiments with partial labels came out as theory expects: "
                         "see the lines marked !")  # fmt: skip
    odd = change(table, 0.1, dataset="heart", labeling="partial", setup="I", group="ES")
    assert "  ! I learns the empty maps: DSC ES 0.10" in summarise(odd, datasets)


def test_half_way_is_called_so(table, datasets):
    half = change(table, 0.6, dataset="heart", labeling="partial", setup="BI", group="ES")
    text = summarise(half, datasets)
    assert "  BI partly learns the empty maps: DSC ES 0.60" in text


def test_a_network_that_outputs_nothing_has_not_learnt_which_maps_are_empty(table, datasets):
    collapsed = change(table, 0.0, dataset="heart", labeling="partial", setup="I_eps")
    assert "  ! I_eps fails in the labelled group too: DSC ES 0.00" in summarise(
        collapsed, datasets
    )


def test_a_group_that_truly_lacks_the_class_is_no_failure_but_a_line_on_what_is_invented(
    table, datasets, scores
):
    """Scores and Table 1 gain a group of healthy hearts, in which I draws MYO and BI does not."""
    of_class = (scores["dataset"] == "heart") & (scores["class"] == "MYO")
    healthy = scores[of_class & (scores["group"] == "ED")].assign(group="healthy")
    drawn = healthy["volume_pred_ml"].where(healthy["setup"] == "I", 0.0)
    healthy = healthy.assign(volume_true_ml=0.0, volume_pred_ml=drawn)
    rows = table[(table["dataset"] == "heart") & (table["group"] == "ED")]
    rows = rows[rows["class"] == "MYO"].assign(group="healthy", dsc=0.0)
    heart = {**datasets["heart"], "groups": [*datasets["heart"]["groups"], "healthy"]}
    both = datasets | {"heart": heart}
    text = summarise(pd.concat([table, rows]), both, pd.concat([scores, healthy]))
    cases = healthy.groupby(["labeling", "setup", "batch_size"]).size().iloc[0]
    assert re.search(rf"\n  I ignores .*, invented in {cases} of {cases} cases of healthy", text)
    assert re.search(r"\n  BI learns the empty maps: .*, healthy left empty", text)
    assert "fails" not in text
    assert re.search(r"full labels: DSC 0\.9\d", text)


def test_without_groups_there_is_no_verdict_but_dsc_and_volume(table, datasets, scores):
    heart = {
        **datasets["heart"],
        "groups": ["ES"],
        "missing": {"group": "", "classes": ["MYO"]},
        "labelings": {"partial": {"ES": {"MYO": 0.5}}},
    }
    one = table[(table["dataset"] == "heart") & (table["group"] == "ES")]
    one = one[one["labeling"] == "partial"]
    text = summarise(one, {"heart": heart}, scores[scores["group"] == "ES"])
    assert "heart: MYO is missing in some cases\n  there are no groups" in text
    assert re.search(r"\n  I: DSC 0\.9\d, volume [+-]\d+ %\n", text)
    assert "ignores" not in text
    assert "learns" not in text
    assert "came out as" not in text


def test_labels_that_are_missing_in_the_data_themselves_are_not_judged(table, datasets, scores):
    hidden = (scores["dataset"] == "heart") & (scores["group"] == "ES")
    unknown = scores.assign(volume_true_ml=scores["volume_true_ml"].mask(hidden, 0.0))
    text = summarise(table, datasets, unknown)
    assert "  ! no true label of ES has MYO" in text
    assert "DSC ES" not in text
    assert text.endswith("3 of 3 experiments with partial labels came out as theory expects.")
    assert "no true label" not in summarise(table, datasets, scores)


def test_without_full_labels_the_labelled_group_is_the_reference(table, datasets):
    text = summarise(table[table["labeling"] == "partial"], datasets)
    assert "full labels" not in text
    assert "I ignores the missing labels" in text


def test_full_labels_alone_say_nothing_about_missing_ones(table, datasets):
    text = summarise(table[table["labeling"] == "full"], datasets)
    assert text.endswith("nothing to say about missing labels.")
    assert summarise(table.iloc[:0], datasets)


def looked_at(scores, images_low):
    """A table of what tells groups apart, as `apart_table` gives it."""
    return pd.DataFrame(
        {
            "dataset": ["heart"],
            "labeling": ["partial"],
            "group": ["ES"],
            "class": ["MYO"],
            "share_missing": [0.48],
            "auc_images": [0.52],
            "auc_images_low": [images_low],
            "auc_images_high": [0.6],
            "setup": ["BI"],
            "auc_volumes": [0.55],
            "auc_volumes_low": [0.45],
            "auc_volumes_high": [0.64],
            "alike": [True],
        }
    )


def test_groups_that_look_alike_give_no_verdict_on_the_loss(scores, comparisons, datasets):
    apart = looked_at(scores, 0.44)
    table = table1(scores, comparisons, datasets, apart)
    heart = table[(table["dataset"] == "heart") & (table["labeling"] == "partial")]
    assert not heart["learns_empty"].any()
    same = change(table, 0.91, dataset="heart", labeling="partial", group="ES")
    text = summarise(same, datasets, scores, apart)
    assert (
        "  the network cannot tell ES from the other groups (by images AUC 0.52, 0.44 to 0.60; by "
        "predicted volumes AUC 0.55, 0.45 to 0.64). Of all maps of MYO, 48% are missing: too few "
        "to be learnt as empty, whatever the loss\n" in text
    )
    assert "! BI ignores" not in text
    assert re.search(r"BI ignores the missing labels: DSC ES 0.91 .*, volume -98 %, ED", text)
    assert (
        "5 experiments with partial labels cannot show what a missing label teaches, since the "
        "network cannot tell which cases lack it; look at the volumes\n3 of 3 experiments" in text
    )


def test_a_labeling_that_looks_alike_takes_no_verdict_from_the_others(scores, datasets):
    """Half of the labels missing is not told apart, all of them is."""
    heart = {"heart": datasets["heart"]}
    whole = scores[scores["dataset"] == "heart"]
    half = whole[whole["labeling"] == "partial"].assign(labeling="partial-50", dsc=0.9)
    study = pd.concat([whole, half.assign(volume_pred_ml=half["volume_true_ml"])])
    seen = looked_at(scores, 0.44)
    apart = pd.concat([seen.assign(labeling="partial-50"), seen.assign(alike=False)])
    table = table1(study, compare(study), heart, apart)
    text = summarise(table, heart, study, apart)
    assert "  partial-50: the network cannot tell ES from the other groups (" in text
    assert "  partial: the network" not in text
    assert "5 experiments with partial labels cannot show what" in text
    assert text.endswith("\n5 of 5 experiments with partial labels came out as theory expects.")
    odd = change(table, 0.91, labeling="partial", setup="BI", group="ES")
    text = summarise(odd, heart, study, apart)
    assert "  ! BI, partial ignores the missing labels" in text
    assert "4 of 5 experiments with partial labels came out as theory expects: see" in text


def test_two_labelings_that_look_alike_are_told_each_with_its_share(scores, datasets):
    heart = {"heart": datasets["heart"]}
    whole = scores[scores["dataset"] == "heart"]
    half = whole[whole["labeling"] == "partial"].assign(labeling="partial-50")
    study = pd.concat([whole, half])
    seen = looked_at(scores, 0.44)
    apart = pd.concat([seen, seen.assign(labeling="partial-50", share_missing=0.24)])
    text = summarise(table1(study, compare(study), heart, apart), heart, study, apart)
    assert re.search(r"\n  partial-50: the network cannot tell .* 24% are missing: too few", text)
    assert re.search(r"\n  partial: the network cannot tell .* 48% are missing: too few", text)
    assert "10 experiments with partial labels cannot show what" in text


def groups_abc(labeling, **lost):
    """Scores and description of a study of groups A, B, C, in which BI leaves A and B empty."""
    scores = make_scores(("heart",))
    scores["labeling"] = scores["labeling"].replace("partial", labeling)
    gone = scores[scores["group"] == "ES"]
    parts = [
        scores[scores["group"] == "ED"].assign(group="C"),
        *(gone.assign(group=name, case=gone["case"] + name) for name in "AB"),
    ]
    shares = {
        name: {
            group: {"LV": 0.0, "MYO": taken.get(group, 0.0), "RV": 0.0} for group in ("A", "B", "C")
        }
        for name, taken in {"full": {}, labeling: lost}.items()
    }
    about = {
        "groups": ["A", "B", "C"],
        "classes": ["LV", "MYO", "RV"],
        "missing": {"group": "", "classes": ["MYO"]},
        "labelings": shares,
    }
    return pd.concat(parts, ignore_index=True), {"heart": about}


def test_another_group_that_lacks_labels_is_no_labelled_group():
    scores, datasets = groups_abc("drop-ab", A=1.0, B=1.0)
    table = table1(scores, compare(scores), datasets)
    text = summarise(table, datasets, scores)
    for group in "AB":
        assert re.search(rf"\n  BI learns the empty maps: DSC {group} 0\.02 .*%, C 0\.9\d\n", text)
    assert "!" not in text
    assert text.endswith("\n10 of 10 experiments with partial labels came out as theory expects.")
    failed = change(table, 0.0, labeling="drop-ab", setup="BI")
    assert "  ! BI fails in the labelled group too: DSC A 0.00" in summarise(failed, datasets)


def test_a_group_that_keeps_most_of_its_labels_is_a_labelled_one():
    scores, datasets = groups_abc("mostly-a", A=1.0, B=0.25, C=0.25)
    table = table1(scores, compare(scores), datasets)
    learnt = change(table, 0.9, labeling="mostly-a", group="B")
    assert re.search(
        r"\n  BI learns the empty maps: DSC A .*, B 0\.90, C 0\.9", summarise(learnt, datasets)
    )
    nothing = change(table, 0.0, labeling="mostly-a")
    assert "  ! I fails in the labelled group too: DSC A 0.00" in summarise(nothing, datasets)


def test_where_every_group_lacks_its_labels_there_is_none_to_hold_against():
    scores, datasets = groups_abc("drop-all", A=1.0, B=1.0, C=1.0)
    table = table1(scores, compare(scores), datasets)
    empty = change(table, 0.0, labeling="drop-all", setup="BI")
    text = summarise(empty, datasets)
    assert re.search(r"\n  BI learns the empty maps: DSC A 0\.00 \(full labels 0\.9\d\)\n", text)
    assert "fails" not in text


def test_a_group_whose_labels_no_labeling_takes_is_not_called_missing():
    """Although the key `missing` names it, for a labeling that the study does not train on."""
    scores, datasets = groups_abc("drop-ab", A=1.0, B=1.0)
    datasets["heart"]["missing"]["group"] = "C"
    text = summarise(table1(scores, compare(scores), datasets), datasets, scores)
    assert "MYO is missing in A\n" in text
    assert "MYO is missing in C" not in text


def test_a_training_run_that_stayed_behind_is_named(table, datasets, scores):
    behind = (scores["setup"] == "I") & (scores["class"] == "LV") & (scores["group"] == "ED")
    behind &= (scores["labeling"] == "partial") & (scores["fold"] == 0)
    wide = scores["volume_pred_ml"].mask(behind, scores["volume_true_ml"] * 10)
    failed = failed_runs(scores.assign(volume_pred_ml=wide), datasets)
    text = summarise(table, datasets, scores, None, failed)
    assert re.search(
        r"  ! I, partial, B = 2, fold 0 has not learnt LV in ED, which was labelled: DSC 0\.9\d, "
        r"10 times the true volume\n    a training run that stays behind",
        text,
    )

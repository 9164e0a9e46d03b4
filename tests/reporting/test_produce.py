"""Outputs from the files of a study: names and numbers are those of its rows."""

import json

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from dicegrad.evaluation.comparisons import COMPARISONS
from dicegrad.evaluation.roc_curves import ROC
from dicegrad.evaluation.scores import collect_scores, write_scores
from dicegrad.files import read_table
from dicegrad.reporting.outputs import OUTPUTS, files_of
from dicegrad.reporting.produce import produce
from dicegrad.reporting.tables import TABLE1
from dicegrad.study import Experiment
from dicegrad.study.experiment import COLUMNS
from dicegrad.study.naming import name_setups
from tests.reporting.conftest import DATASETS, make_scores

HEART = {"heart": DATASETS["heart"]}


def write_study(folder, scores):
    """The scores of a study, as its rules write them: one table per experiment, then all."""
    scores = scores.drop(columns="setup")
    rows = [Experiment(**row) for row in scores[list(COLUMNS)].to_dict("records")]
    names = name_setups(dict.fromkeys(rows))
    for experiment in names:
        own = scores[[row == experiment for row in rows]]
        write_scores(own, folder / experiment.path / "scores.tsv")
    paths = [folder / experiment.path / "scores.tsv" for experiment in names]
    write_scores(collect_scores(paths, names.values()), folder / "scores.tsv")


def make(folder, name, datasets=HEART):
    """Make an output of the study in a folder; what it says for the log."""
    settings = {"datasets": datasets, "draws": 1000}
    reads = OUTPUTS[name].reads
    if "apart" in reads and not (folder / "apart.tsv").exists():
        make(folder, "apart", datasets)
    inputs = {key: [str(folder / f"{key}.tsv")] for key in reads if key not in settings}
    if "images" in inputs:
        inputs["images"] = []  # as of an engine that prepares images by itself
    files = {kind: str(folder / file) for kind, file in files_of(name).items()}
    (folder / "figures").mkdir(exist_ok=True)
    said = []
    produce(name, inputs, {k: v for k, v in settings.items() if k in reads}, files, said.append)
    return said


def image_wise(scores):
    rows = (scores["phi"] == "I") & (scores["epsilon"] == "1e-7") & (scores["loss"] == "dice")
    return scores[rows]


def table_pairs(table, side):
    return set(zip(table[f"labeling{side}"], table[f"setup{side}"], strict=True))


def test_an_experiment_has_one_name_in_every_table(tmp_path):
    """Whatever stands beside it: full labels with one epsilon, partial ones with another."""
    scores = make_scores(("heart",))
    batch_wise = scores[(scores["phi"] == "BI") & (scores["labeling"] == "partial")]
    scores = image_wise(scores)
    partial = scores["labeling"] == "partial"
    scores = scores.assign(epsilon=scores["epsilon"].mask(partial, "1e-5"))
    write_study(tmp_path, pd.concat([scores, batch_wise], ignore_index=True))
    for name in ("comparisons", "table1", "roc"):
        make(tmp_path, name)
    named = {
        "comparisons": read_table(tmp_path / "comparisons.tsv", COMPARISONS),
        "table1": read_table(tmp_path / "table1.tsv", TABLE1),
        "roc": read_table(tmp_path / "roc.tsv", ROC),
    }
    for name, table in named.items():
        sides = ("_a", "_b") if name == "comparisons" else ("",)
        pairs = {pair for side in sides for pair in table_pairs(table, side)}
        assert name == "comparisons" or ("partial", "I_1e-5") in pairs
        assert pairs <= {("full", "I"), ("partial", "I_1e-5"), ("partial", "BI")}, name


def test_rows_that_differ_in_a_later_column_are_kept_apart(tmp_path):
    """`unannotated` has a default; were it forgotten, the two would be averaged."""
    scores = image_wise(make_scores(("heart",)))
    scores = scores[scores["labeling"] == "partial"]
    ignored = scores.assign(unannotated="ignored", dsc=scores["dsc"] - 0.5)
    write_study(tmp_path, pd.concat([scores, ignored], ignore_index=True))
    for name in ("comparisons", "table1"):
        make(tmp_path, name)
    table = read_table(tmp_path / "table1.tsv", TABLE1)
    assert set(table["setup"]) == {"I", "I,ignored"}
    for setup, rows in (("I", scores), ("I,ignored", ignored)):
        cells = table[table["setup"] == setup].set_index(["group", "class"])["dsc"]
        means = rows.groupby(["group", "class"])["dsc"].mean()
        for cell, value in cells.items():
            assert value == pytest.approx(means[cell], abs=1e-5)


@pytest.fixture
def digits(tmp_path):
    """The heart study with groups `1` and `2` and classes `1`, `2` and `3`."""
    groups, classes = {"ED": "1", "ES": "2"}, {"LV": "1", "MYO": "2", "RV": "3"}
    scores = make_scores(("heart",))
    scores = scores.assign(group=scores["group"].map(groups), **{"class": scores["class"]})
    scores["class"] = scores["class"].map(classes)
    about = {
        "missing": {"group": "2", "classes": ["2"]},
        "groups": ["1", "2"],
        "classes": ["1", "2", "3"],
    }
    write_study(tmp_path, scores)
    return tmp_path, {"heart": about}


def test_groups_and_classes_named_by_digits_keep_their_p_values_and_their_summary(digits, tmp_path):
    folder, datasets = digits
    for name in ("comparisons", "table1", "summary", "finding"):
        make(folder, name, datasets)
    table = read_table(folder / "table1.tsv", TABLE1)
    assert set(table["group"]) == {"1", "2"}
    assert set(table["class"]) == {"2"}

    (tmp_path / "words").mkdir()
    write_study(tmp_path / "words", make_scores(("heart",)))
    for name in ("comparisons", "table1", "summary", "finding"):
        make(tmp_path / "words", name)
    words = read_table(tmp_path / "words" / "table1.tsv", TABLE1)
    partial = (table["labeling"] == "partial") & (table["reference"] != "")
    assert partial.any()
    for name in ("p_value", "p_value_volume"):
        assert table[name][partial].notna().all()
        pd.testing.assert_series_equal(table[name], words[name])
    assert "no case of" not in (folder / "summary.txt").read_text()
    ours, theirs = (
        plt.imread(place / "figures" / "finding.png") for place in (folder, tmp_path / "words")
    )
    assert ours.shape[2] == theirs.shape[2]
    assert ours.std() > 0.05  # something is drawn


def test_the_summary_of_a_study_is_there_for_programs_too(tmp_path, capsys):
    from dicegrad.cli import main

    scores = make_scores(("heart",))
    behind = (scores["setup"] == "I") & (scores["class"] == "LV") & (scores["group"] == "ED")
    behind &= (scores["labeling"] == "partial") & (scores["fold"] == 0)
    wide = scores["volume_pred_ml"].mask(behind, scores["volume_true_ml"] * 10)
    write_study(tmp_path, scores.assign(volume_pred_ml=wide))
    for name in ("comparisons", "table1", "summary"):
        make(tmp_path, name)
    assert main(["summary", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (run,) = found["failed"]
    assert (run["setup"], run["fold"], run["class"], run["group"]) == ("I", 0, "LV", "ED")
    assert run["volume_ratio"] == pytest.approx(10)
    assert any(line.startswith("  ! I, partial, B = 2, fold 0") for line in found["summary"])
    assert found["verdict"] == found["summary"][-len(found["verdict"]) :]
    assert "experiments with partial labels" in found["verdict"][0]
    assert {row["setup"] for row in found["table1"]} == set(scores["setup"])

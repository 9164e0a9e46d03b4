"""A plan as its reader meets it, from the table that Snakemake prints."""

import doctest

import pytest

from dicegrad import plan
from dicegrad.errors import InputError
from dicegrad.plan import describe, make_plan, read_summary

HEADER = "output_file\tdate\trule\tlog-file(s)\tstatus\tplan"
FOLDER = "results/demo/dataset~heart/labeling~partial/loss~dice/phi~I/epsilon~1e-7/batch_size~2"


def line(file, rule, status, plan="update pending"):
    return f"{file}\t-\t{rule}\t-\t{status}\t{plan}"


def test_jobs_are_counted_by_experiment_each_once():
    """Two files of one training are one job; two folds are two."""
    found = read_summary(
        [
            "Building DAG of jobs...",
            HEADER,
            line(f"{FOLDER}/fold~0/weights.pt", "train", "params changed"),
            line(f"{FOLDER}/fold~0/history.tsv", "train", "params changed"),
            line(f"{FOLDER}/fold~1/weights.pt", "train", "missing"),
            line(f"{FOLDER}/fold~0/predictions", "predict", "ok"),
            line(f"{FOLDER}/scores.tsv", "evaluate", "ok"),
            line("resources/heart/images.npy", "resample", "ok", "no update"),
        ]
    )
    (item,) = found.experiments
    assert item.name == "heart partial dice I 1e-7 2"
    assert [item.count(rule) for rule in ("train", "predict", "evaluate")] == [2, 1, 1]
    assert item.reasons == ["not there yet", "a setting or its code changed"]
    assert found.rules == []


def test_training_runs_of_several_seeds_are_of_one_experiment():
    files = [f"{FOLDER}/fold~0/weights.pt", f"{FOLDER}/seed~1/fold~0/weights.pt"]
    found = read_summary([HEADER, *(line(file, "train", "missing") for file in files)])
    (item,) = found.experiments
    assert item.name == "heart partial dice I 1e-7 2"
    assert item.count("train") == 2


def test_what_serves_all_experiments_is_named_by_reason():
    found = read_summary(
        [
            HEADER,
            line("results/demo/comparisons.tsv", "compare", "params changed"),
            line("results/demo/table1.tsv", "table1", "ok"),
            line("results/demo/table1.md", "table1", "ok"),
        ]
    )
    assert describe(found) == [
        "besides, because a setting or its code changed: compare",
        "besides, because what it reads will change: table1",
    ]


def test_a_state_that_snakemake_may_add_is_shown_as_it_is():
    found = read_summary([HEADER, line(f"{FOLDER}/scores.tsv", "evaluate", "moon phase")])
    assert found.experiments[0].reasons == ["moon phase"]


def test_a_study_without_work_says_so():
    found = read_summary([HEADER, line("results/demo/table1.tsv", "table1", "ok", "no update")])
    assert describe(found) == ["Nothing to do: every result is up to date."]


def test_output_without_a_table_is_an_error():
    with pytest.raises(InputError, match="printed no table"):
        read_summary(["Building DAG of jobs..."])


def test_a_refused_study_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        make_plan(["--snakefile", "nowhere"])
    assert len(str(error.value).splitlines()) == 1
    assert "nowhere" in str(error.value)


def test_a_folder_without_a_workflow_is_told_how_to_name_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = "there is no Snakefile in this folder; name it: -s PATH/Snakefile -d ."
    with pytest.raises(InputError, match=said):
        make_plan([])


def test_the_example_of_the_documentation_holds():
    assert doctest.testmod(plan).attempted > 0
    assert doctest.testmod(plan).failed == 0

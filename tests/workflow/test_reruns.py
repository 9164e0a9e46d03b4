"""Only what changed runs again, from Snakemake's own dry run."""

import re

import pytest

from dicegrad.evaluation.scores import read_scores
from tests.workflow.conftest import HEADER, ROWS, jobs

pytestmark = pytest.mark.xdist_group("study")
# What sums up the whole table follows every change of it.
SUMMED_UP = {
    *("scores", "compare", "table1", "roc", "finding", "distributions", "volumes"),
    *("learning_curves", "examples", "transition", "supplement", "summary", "versions", "all"),
}


def trainings(output: str) -> set[str]:
    """The trainings that a dry run announces."""
    return set(re.findall(r"Training (.*)", output))


def test_a_finished_study_has_nothing_to_do(rerun):
    assert "Nothing to be done" in rerun.run("-n")


def test_a_comment_in_config_or_table_reruns_nothing(rerun):
    rerun.config_file.write_text("# a comment\n" + rerun.config_file.read_text())
    rerun.table.write_text("# a comment\n" + rerun.table.read_text())
    assert rerun.plan() == {}


def test_a_new_row_runs_its_own_jobs_alone(rerun):
    rerun.table.write_text(HEADER + ROWS + "heart\tpartial\tdice\tBI\t1e-7\t2\n")
    output = rerun.run("-n")
    expected = {
        f"heart, partial labels: dice BI, epsilon 1e-7, batch size 2, fold {fold}"
        for fold in (0, 1)
    }
    assert trainings(output) == expected
    planned = jobs(output)
    assert {rule: planned.pop(rule) for rule in ("train", "predict", "evaluate")} == {
        "train": 2,
        "predict": 2,
        "evaluate": 1,
    }
    assert set(planned) == SUMMED_UP


def test_a_changed_epsilon_reruns_its_row_alone(rerun):
    changed = ROWS.replace("partial\tdice\tI\t1e-7", "partial\tdice\tI\t100")
    rerun.table.write_text(HEADER + changed)
    assert trainings(rerun.run("-n")) == {
        f"heart, partial labels: dice I, epsilon 100, batch size 2, fold {fold}" for fold in (0, 1)
    }


def test_a_removed_row_trains_nothing(rerun):
    rerun.table.write_text(HEADER + "".join(ROWS.splitlines(keepends=True)[:-1]))
    planned = rerun.plan()
    assert not {"train", "predict", "evaluate", "resample"} & set(planned)
    assert planned["scores"] == 1


def test_a_training_setting_retrains_but_resamples_nothing(rerun):
    rerun.set("training", {"epochs": 3, "passes": 1})
    planned = rerun.plan()
    assert planned["train"] == 6
    assert not {"cases", "resample", "label", "folds", "heuristic"} & set(planned)


def test_a_change_of_sampling_reaches_the_heuristic_alone(rerun):
    rerun.set("sampling", {"partial": {"ED": 2}})
    output = rerun.run("-n")
    assert {line.split(",")[2].strip() for line in trainings(output)} == {"epsilon heuristic"}


def test_a_statistic_reruns_the_tests_and_what_shows_them(rerun):
    rerun.write_config(draws=2000)
    assert set(rerun.plan()) == {
        *("compare", "table1", "distributions", "finding", "supplement", "summary", "all")
    }


def test_a_chosen_example_redraws_one_figure(rerun):
    rerun.set("examples", {"ED": "patient001_ED"})
    assert set(rerun.plan()) == {"examples", "all"}


def test_a_switch_of_the_released_code_reruns_what_feels_it(rerun):
    rerun.set("released", ["patience", "epsilon_broadcast"])
    output = rerun.run("-n")  # every case is listed once: patience stays what it is
    assert {line.split(",")[2].strip() for line in trainings(output)} == {"epsilon heuristic"}
    rerun.set("released", ["masked_scores"])
    planned = rerun.plan()
    assert planned["evaluate"] == 2  # of partial labels
    assert not {"train", "predict"} & set(planned)


@pytest.mark.slow
def test_masked_scores_and_soft_volumes_reach_the_scores(rerun):
    rerun.set("released", ["masked_scores", "soft_volumes"])
    before = read_scores(rerun.results / "scores.tsv")
    rerun.run("results/tiny/scores.tsv")
    after = read_scores(rerun.results / "scores.tsv")
    masked = (after["labeling"] == "partial") & (after["group"] == "ES") & (after["class"] == "MYO")
    assert masked.sum() == 8
    assert (after["volume_true_ml"][masked] == 0).all()
    assert (after["volume_true_ml"][~masked] == before["volume_true_ml"][~masked]).all()
    assert (after["dsc"][~masked] == before["dsc"][~masked]).all()
    assert (after["volume_pred_ml"] != before["volume_pred_ml"]).mean() > 0.9
    assert (after["volume_pred_ml"] > 0).all()


def test_other_data_rerun_everything(rerun):
    rerun.set("phantom", {"kind": "heart", "subjects": 4, "seed": 1})
    planned = rerun.plan()
    assert planned["train"] == planned["predict"] == 6
    assert {"phantom_heart", "cases", "resample", "label", "evaluate", *SUMMED_UP} <= set(planned)

"""Only what changed runs again, from Snakemake's own dry run."""

import json
import re
from dataclasses import replace

import pytest

from dicegrad.evaluation.scores import read_scores
from dicegrad.plan import make_plan
from tests.workflow.conftest import HEADER, REPOSITORY, ROWS, copy_workflow, work

pytestmark = pytest.mark.xdist_group("study")
TRAINED = {"train": 6, "predict": 6, "evaluate": 3}
# What sums up the whole table follows every change of it.
SUMMED_UP = dict.fromkeys(
    (
        *("scores", "comparisons", "apart", "table1", "roc", "finding", "distributions"),
        *("volumes", "examples", "supplement", "summary", "versions"),
    ),
    1,
)
SLURM = ("--profile", str(REPOSITORY / "profiles" / "slurm"))


def trainings(output: str) -> set[str]:
    """The trainings that a dry run announces."""
    return set(re.findall(r"Training (.*)", output))


def test_a_finished_study_has_nothing_to_do(rerun):
    assert "Nothing to be done" in rerun.run("-n")


def test_a_comment_in_config_or_table_reruns_nothing(rerun):
    rerun.config_file.write_text("# a comment\n" + rerun.config_file.read_text())
    rerun.table.write_text("# a comment\n" + rerun.table.read_text())
    assert rerun.work() == {}


def test_other_resources_rerun_nothing(rerun):
    other = ["--set-resources", "train:mem_mb=1234", "train:runtime=99", "predict:gpu=1"]
    assert rerun.work(*other, "--set-threads", "train=2", "--default-resources", "runtime=7") == {}
    rerun.write_config(device="cuda", training_threads=2)
    assert rerun.work() == {}


def test_another_profile_reruns_nothing(rerun):
    """Neither one that is edited nor the way from one machine to a cluster."""
    profile = rerun.folder / "profile"
    profile.mkdir()
    lines = (REPOSITORY / "profiles" / "default" / "config.yaml").read_text()
    (profile / "config.yaml").write_text(f"# a comment\n{lines}retries: 2\n")
    assert rerun.work("--workflow-profile", str(profile)) == {}
    assert rerun.work(*SLURM) == {}


@pytest.fixture
def elsewhere(rerun):
    """The finished study, run by a copy of the workflow."""
    return replace(rerun, workflow=copy_workflow(rerun.folder / "workflow"))


def change(study, name, old, new):
    """Replace words in a file of the copied workflow."""
    path = study.workflow / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_comment_in_a_script_or_in_the_package_or_a_newer_file_reruns_nothing(elsewhere):
    assert elsewhere.work() == {}
    change(elsewhere, "scripts/train.py", "import torch\n", "# a comment\nimport torch\n")
    change(elsewhere, "rules/training.smk", "12000", "9000")
    for name in ("evaluation/metrics.py", "reporting/tables.py", "training/loop.py"):
        change(elsewhere, f"dicegrad/{name}", "\n\n\n", "\n\n\n# a comment\n\n")
    assert elsewhere.work() == {}


def test_a_corrected_metric_scores_and_reports_again_and_trains_nothing(elsewhere):
    change(elsewhere, "dicegrad/evaluation/metrics.py", "\n\n\n", "\n\n\nCORRECTED = True\n\n")
    # Every output is made by one module, which reads scores.
    assert elsewhere.work() == {"evaluate": 3, "learning_curves": 1, **SUMMED_UP}


def test_a_changed_script_of_scores_scores_again_too(elsewhere):
    change(elsewhere, "scripts/evaluate.py", "\nwith job", "\nCORRECTED = True\nwith job")
    assert elsewhere.work() == {"evaluate": 3, **SUMMED_UP}


def test_a_changed_figure_is_drawn_again_and_nothing_else(elsewhere):
    module = "dicegrad/reporting/figures/volumes.py"
    change(elsewhere, module, "\n\n\n", "\n\n\nCORRECTED = True\n\n")
    assert elsewhere.work() == {"volumes": 1}


def test_changed_training_code_reruns_nothing_but_the_plan_says_so(elsewhere):
    change(elsewhere, "dicegrad/training/adam.py", "\n\n\n", "\n\n\nCORRECTED = True\n\n")
    assert not {"resample", *TRAINED} & set(elsewhere.work())
    done = elsewhere.python("dicegrad.cli plan")
    assert done.returncode == 0, done.stderr
    assert "6 results of train stay, although its code has changed since" in done.stdout
    assert "--forcerun train" in done.stdout
    assert "of resample stay" not in done.stdout


def test_an_unchanged_package_has_nothing_to_say(elsewhere):
    assert elsewhere.python("dicegrad.cli plan").stdout == (
        "Nothing to do: every result is up to date.\n"
    )


def test_a_new_row_runs_its_own_jobs_alone(rerun, monkeypatch):
    rerun.table.write_text(HEADER + ROWS + "heart\tpartial\tdice\tBI\t1e-7\t2\n")
    output = rerun.run("-n")
    assert trainings(output) == {
        f"heart, partial labels: dice BI, epsilon 1e-7, batch size 2, fold {fold}"
        for fold in (0, 1)
    }
    own = {"train": 2, "predict": 2, "evaluate": 1, "learning_curves": 1}
    assert work(output) == {**own, **SUMMED_UP}

    monkeypatch.chdir(rerun.folder)
    snakefile = REPOSITORY / "Snakefile"
    plan = make_plan(["--snakefile", str(snakefile), "--configfile", str(rerun.config_file)])
    (item,) = plan.experiments
    assert item.name == "heart partial dice BI 1e-7 2"
    assert [item.count(rule) for rule in ("train", "predict", "evaluate")] == [2, 2, 1]
    copies = {"settings", "checksums"}
    assert {rule.name for rule in plan.rules} == {"learning_curves", *SUMMED_UP, *copies}

    done = rerun.python("dicegrad.cli plan", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["estimate"]["runs"] == 2
    assert 0 < told["estimate"]["seconds"][0] < 600
    (heart,) = told["datasets"]
    partial = next(each for each in heart["folds"] if each["labeling"] == "partial")
    assert partial["maps"]["MYO"] == {"filled": 2, "empty": 0, "not_annotated": 2}
    text = rerun.python("dicegrad.cli plan").stdout
    assert "heart: 8 cases of" in text
    assert "2 training runs of about" in text


def test_a_changed_epsilon_reruns_its_row_alone(rerun):
    changed = ROWS.replace("partial\tdice\tI\t1e-7", "partial\tdice\tI\t100")
    rerun.table.write_text(HEADER + changed)
    assert trainings(rerun.run("-n")) == {
        f"heart, partial labels: dice I, epsilon 100, batch size 2, fold {fold}" for fold in (0, 1)
    }


def test_a_removed_row_trains_nothing(rerun):
    rerun.table.write_text(HEADER + "".join(ROWS.splitlines(keepends=True)[:-1]))
    planned = rerun.work()
    assert not {"train", "predict", "evaluate", "resample"} & set(planned)
    assert planned["scores"] == 1


def test_a_training_setting_retrains_but_resamples_nothing(rerun):
    rerun.set("training", {"epochs": 3, "passes": 1})
    assert rerun.work() == {**TRAINED, "learning_curves": 1, **SUMMED_UP}


def test_a_dataset_setting_resamples_once_and_retrains(rerun):
    rerun.set("preprocessing", {"spacing": [6, 6, 10], "size": [12, 12, 6]})
    once = {"resample": 1, "checked": 1, "count": 2, "annotate": 1, "label": 1, "heuristic": 2}
    once["epsilon_table"] = 1
    assert rerun.work() == {**once, **TRAINED, "learning_curves": 1, **SUMMED_UP}


def test_switching_tensorboard_reruns_nothing(rerun):
    rerun.write_config(tensorboard=True)
    assert rerun.work() == {}


def test_a_change_of_sampling_reaches_the_heuristic_alone(rerun):
    rerun.set("sampling", {"partial": {"ED": 2}})
    output = rerun.run("-n")
    assert {line.split(",")[2].strip() for line in trainings(output)} == {"epsilon heuristic"}


def test_a_statistic_reruns_the_tests_and_what_shows_them(rerun):
    rerun.write_config(draws=2000)
    shown = ["table1", "distributions", "finding", "supplement", "summary"]
    assert rerun.work() == dict.fromkeys(["comparisons", *shown], 1)


def test_a_chosen_example_redraws_one_figure(rerun):
    rerun.set("examples", {"ED": "patient001_ED"})
    assert rerun.work() == {"examples": 1}


def test_a_switch_of_the_released_code_reruns_what_feels_it(rerun):
    rerun.set("released", ["patience", "epsilon_broadcast"])
    output = rerun.run("-n")  # every case is listed once: patience stays what it is
    assert {line.split(",")[2].strip() for line in trainings(output)} == {"epsilon heuristic"}
    rerun.set("released", ["masked_scores"])
    planned = rerun.work()
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
    planned = rerun.work()
    assert planned["train"] == planned["predict"] == 6
    assert {"phantom_heart", "cases", "resample", "label", "evaluate", *SUMMED_UP} <= set(planned)

"""A study by the engine nnunet, with the real nnU-Net: the same files; a kill costs an epoch."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from dicegrad.evaluation.scores import read_scores
from dicegrad.files import read_table
from dicegrad.reporting.tables import TABLE1
from dicegrad.training.history import HISTORY
from tests.conftest import files_in
from tests.workflow.conftest import HEADER, REPOSITORY, new_study

pytest.importorskip("nnunetv2", reason="nnU-Net is not installed: make test-interop")


ROWS = (
    "heart\tpartial\tdice_ce\tBI\t1e-5\t2\tas_empty\n"
    "heart\tpartial\tdice_ce\tBI\theuristic\t2\tignored\n"
)


def make_study(folder):
    study = new_study(folder)
    study.table.write_text(HEADER.replace("\n", "\tunannotated\n") + ROWS)
    few = {"epochs": 3, "iterations": 1, "validation_iterations": 1, "checkpoint_epochs": 1}
    study.set("engine", "nnunet")
    study.set("nnunet", few)
    study.set("folds", {"count": 2, "method": "modulo"})
    study.write_config(folds=[0])
    return study


def kill_after_an_epoch(study):
    """Start the study, and kill it and its jobs once a training run has finished an epoch."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(study.folder)]
    command += ["--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--configfile", str(study.config_file)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with (study.folder / "first.log").open("w") as log:
        running = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while running.poll() is None:
            logs = list(study.results.glob("dataset~*/**/train.log"))
            if any("epoch 1/3" in each.read_text() for each in logs):
                break
            time.sleep(0.2)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert running.returncode == -signal.SIGKILL, (study.folder / "first.log").read_text()
    study.snakemake("--unlock")


@pytest.mark.slow
def test_a_killed_study_goes_on_and_ends_with_the_files_of_any_other(tmp_path):
    study = make_study(tmp_path)
    kill_after_an_epoch(study)
    study.run("--rerun-incomplete")
    logs = [each.read_text() for each in study.results.glob("dataset~*/**/train.log")]
    assert len(logs) == 2
    assert sum("goes on after epoch" in each for each in logs) == 1
    for fold in study.results.glob("dataset~*/**/fold~0"):
        assert {"weights.pt", "history.tsv", "predictions"} <= set(files_in(fold))
        history = read_table(fold / "history.tsv", HISTORY)
        assert history["epoch"].tolist() == [1, 2, 3]
        assert {"train_loss", "val_loss", "dsc_LV", "dsc_MYO", "dsc_RV"} <= set(history)
    scores = read_scores(study.results / "scores.tsv")
    assert len(scores) == 2 * 4 * 3, "two rows, four held-out cases, three classes"
    assert scores["dsc"].between(0, 1).all()
    assert not read_table(study.results / "table1.tsv", TABLE1).empty
    assert study.work() == {}, "nothing is left to do"
    epsilon = (study.results / "epsilon.tsv").read_text()
    assert re.search(r"partial\t.*MYO", epsilon)

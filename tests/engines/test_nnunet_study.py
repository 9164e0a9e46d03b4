"""A study by the engine nnunet, with the real nnU-Net: the same files; a kill costs an epoch."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from dicegrad.engines.nnunet import NnunetSettings
from dicegrad.engines.nnunet_train import Task
from dicegrad.evaluation.scores import read_scores
from dicegrad.files import read_table
from dicegrad.reporting.tables import TABLE1
from dicegrad.study import Experiment
from dicegrad.training.history import HISTORY
from tests.conftest import files_in
from tests.interop.test_nnunet import make_batch, make_trainer
from tests.workflow.conftest import HEADER, REPOSITORY, new_study

pytest.importorskip("nnunetv2", reason="nnU-Net is not installed: make test-interop")


def make_loss(folders, loss, phi, unannotated, classes=("LV", "RV")):
    """The loss of the study's trainer for a row."""
    from dicegrad.interop.nnunet_study import nnUNetTrainerStudy

    row = Experiment(
        "heart", "full", loss, phi, "1e-5" if phi != "none" else "none", 2, unannotated
    )
    task = Task(vars(row), classes, 1e-5, (), (), {}, vars(NnunetSettings()), 0)
    trainer = object.__new__(nnUNetTrainerStudy)
    theirs = make_trainer(folders)
    trainer.task, trainer.label_manager = task, theirs.label_manager
    trainer.configuration_manager = theirs.configuration_manager
    return trainer.make_loss()


def test_the_row_dice_ce_is_nnunets_loss_plus_one(nnunet):
    logits, target = make_batch("classes", deep=False)
    theirs = make_trainer(nnunet, own=False, batch_dice=True, deep=False)._build_loss()
    ours = make_loss(nnunet, "dice_ce", "BI", "as_empty")
    assert ours(logits, target).item() - 1 == pytest.approx(theirs(logits, target).item(), abs=1e-6)


@pytest.mark.parametrize("loss", ["dice", "dice_ce", "cross_entropy", "tversky"])
def test_a_case_of_which_nothing_was_drawn_teaches_nothing(nnunet, loss):
    phi = "none" if loss == "cross_entropy" else "I"
    masked = make_loss(nnunet, loss, phi, "ignored")
    logits, target = make_batch("classes", deep=False)
    target[0] = 0
    masked.annotated = torch.tensor([[False, False], [True, True]])
    (gradient,) = torch.autograd.grad(masked(logits, target), logits)
    assert (gradient[0] == 0).all()
    assert (gradient[1] != 0).any()


def test_a_single_class_is_a_sigmoid_map(nnunet):
    logits, target = make_batch("classes", deep=False)
    target = (target == 1).long()
    loss = make_loss(nnunet, "dice", "BI", "as_empty", classes=("LV",))
    p = logits[:, :2].softmax(1)[:, 1:]
    dice = (2 * (p * target).sum() + 1e-5) / (p.sum() + target.sum() + 1e-5)
    assert loss(logits[:, :2], target).item() == pytest.approx(1 - dice.item(), rel=1e-5)


ROWS = (
    "heart\tpartial\tdice_ce\tBI\t1e-5\t2\tas_empty\n"
    "heart\tpartial\tdice_ce\tBI\theuristic\t2\tmarginal\n"
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

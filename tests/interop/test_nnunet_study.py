"""The loss of a row, in nnU-Net's trainer for studies."""

import pytest
import torch

from dicegrad.engines.nnunet import NnunetSettings
from dicegrad.engines.nnunet_train import Task
from dicegrad.study import Experiment

pytest.importorskip("nnunetv2", reason="nnU-Net is not installed: make test-interop")

# Not before: that module is skipped as well.
from tests.interop.test_nnunet import make_batch, make_trainer


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

"""nnUNetTrainerDicegrad in the real nnU-Net: found by name, and blind to what nobody drew."""

import importlib
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from dicegrad.files import read_cells
from dicegrad.interop import TRAINERS
from tests.conftest import refusal

pytest.importorskip("nnunetv2", reason="nnU-Net is not installed: make test-interop")

REGIONS = {"background": 0, "whole": [1, 2], "core": 2}
KINDS = {
    "classes": {"labels": {"background": 0, "LV": 1, "RV": 2}},
    "ignore": {"labels": {"background": 0, "LV": 1, "RV": 2, "ignore": 3}},
    "regions": {"labels": REGIONS, "regions_class_order": [1, 2]},
    "regions and ignore": {"labels": {**REGIONS, "ignore": 3}, "regions_class_order": [1, 2]},
}


def make_trainer(folders, own=True, configuration="3d_fullres", deep=True, batch_dice=None, **json):
    """Our trainer, or nnU-Net's own, cut down to a few steps."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    from dicegrad.interop.nnunet import nnUNetTrainerDicegrad

    plans = {**folders.json("nnUNetPlans.json"), "continue_training": False}
    if batch_dice is not None:
        plans["configurations"][configuration]["batch_dice"] = batch_dice
    kind = nnUNetTrainerDicegrad if own else nnUNetTrainer
    about = {**folders.json("dataset.json"), **json}
    trainer = kind(plans, configuration, 0, about, device=torch.device("cpu"))
    trainer.enable_deep_supervision = deep
    trainer.num_epochs, trainer.num_iterations_per_epoch = 2, 2
    trainer.num_val_iterations_per_epoch = 2
    return trainer


def make_batch(kind, deep, seed=0):
    """Logits and targets of two cases, at two resolutions if deep, as nnU-Net's loss takes them."""
    generator = torch.Generator().manual_seed(seed)
    logits, targets = [], []
    for size in (8, 4) if deep else (8,):
        shape = (size, size, size)
        channels = 2 if "regions" in kind else 3
        logits.append(torch.randn(2, channels, *shape, generator=generator, requires_grad=True))
        label = torch.randint(0, 3 + ("ignore" in kind), (2, 1, *shape), generator=generator)
        if "regions" in kind:
            maps = [(label == 1) | (label == 2), label == 2]
            maps += [label == 3] if "ignore" in kind else []
            label = torch.cat(maps, 1)
        targets.append(label)
    return (logits, targets) if deep else (logits[0], targets[0])


def value_and_gradients(loss, logits, targets):
    value = loss(logits, targets)
    several = logits if isinstance(logits, list) else [logits]
    return value, torch.autograd.grad(value, several, allow_unused=True)


def with_two_weights(loss):
    """Deep supervision over the two resolutions of `make_batch`."""
    if hasattr(loss, "weight_factors"):
        loss.weight_factors = (2 / 3, 1 / 3)
    return loss


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_dice", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_where_all_is_annotated_the_loss_is_that_of_nnunet(nnunet, kind, batch_dice, deep):
    losses = []
    for own in (False, True):
        trainer = make_trainer(nnunet, own, deep=deep, batch_dice=batch_dice, **KINDS[kind])
        losses.append(with_two_weights(trainer._build_loss()))
    logits, targets = make_batch(kind, deep)
    (theirs, their_gradients), (ours, our_gradients) = (
        value_and_gradients(loss, logits, targets) for loss in losses
    )
    assert abs(theirs.item() - ours.item()) < 1e-6
    for their, our in zip(their_gradients, our_gradients, strict=True):
        assert torch.allclose(their, our, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("kind", ["regions", "regions and ignore"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_region_that_nobody_drew_has_no_gradient(nnunet, kind, deep):
    loss = with_two_weights(make_trainer(nnunet, deep=deep, **KINDS[kind])._build_loss())
    masked = loss.loss if deep else loss
    masked.annotated = torch.tensor([[True, False], [True, True]])
    _, gradients = value_and_gradients(loss, *make_batch(kind, deep))
    for gradient in gradients:
        assert (gradient[0, 1] == 0).all()
        assert (gradient[0, 0] != 0).any()
        assert (gradient[1].flatten(1).abs().amax(1) > 0).all()


@pytest.mark.parametrize("kind", ["classes", "ignore"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_class_that_nobody_drew_may_be_anywhere_in_the_background(nnunet, kind, deep):
    """No gradient tells it from the background: p_0 and p_c may trade places at no cost."""
    loss = with_two_weights(make_trainer(nnunet, deep=deep, **KINDS[kind])._build_loss())
    logits, targets = make_batch(kind, deep)
    for target in targets if deep else [targets]:
        target[0][target[0] == 2] = 0
        target[1] = 0
    masked = loss.loss if deep else loss
    masked.annotated = torch.tensor([[True, False], [False, False]])
    _, gradients = value_and_gradients(loss, logits, targets)
    for each, gradient, target in zip(
        logits if deep else [logits], gradients, targets if deep else [targets], strict=True
    ):
        push = (gradient / each.softmax(1))[0]
        background = target[0, 0] == 0
        assert torch.allclose(push[0][background], push[2][background], rtol=1e-3, atol=1e-7)
        assert (gradient[1] == 0).all(), "a case of which nothing was drawn teaches nothing"
        if kind == "ignore":
            assert (gradient[0][:, target[0, 0] == 3] == 0).all()


@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
@pytest.mark.parametrize("deep", [False, True])
def test_steps_pass_on_what_is_annotated(nnunet, configuration, deep):
    trainer = make_trainer(nnunet, configuration=configuration, deep=deep)
    trainer.initialize()
    trainer.on_train_start()
    batch = next(trainer.dataloader_train)
    batch["keys"] = ["case0", "case1", *batch["keys"]][: len(batch["keys"])]
    outputs = []
    trainer.network.register_forward_hook(lambda module, given, output: outputs.append(output))
    trainer.network.register_forward_hook(
        lambda module, given, output: (
            [each.retain_grad() for each in (output if deep else [output])] and None
        )
    )
    assert np.isfinite(trainer.train_step(batch)["loss"])
    top = outputs[0][0] if deep else outputs[0]
    assert (top.grad[1] == 0).all(), "nothing was drawn in case1"
    assert (top.grad[0] != 0).any()
    result = trainer.validation_step(batch)
    assert all(len(result[name]) == 2 for name in ("tp_hard", "fp_hard", "fn_hard"))


def test_without_a_table_it_trains_as_its_parent(nnunet, tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    shutil.copytree(nnunet.raw, raw)
    (raw / nnunet.name / "annotated.tsv").unlink()
    monkeypatch.setenv("nnUNet_raw", str(raw))
    losses = []
    for own in (False, True):
        torch.manual_seed(0)
        trainer = make_trainer(nnunet, own)
        trainer.initialize()
        np.random.seed(0)  # noqa: NPY002 -- nnU-Net draws from it
        trainer.on_train_start()
        batches = [next(trainer.dataloader_val) for _ in range(3)]
        trainer.network.train()
        losses.append([float(trainer.train_step(batch)["loss"]) for batch in batches])
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)


def steps(trainer, count):
    """An epoch of training steps on real batches, the first cases of which are partly drawn."""
    trainer.on_train_epoch_start()
    outputs = []
    for _ in range(count):
        batch = next(trainer.dataloader_train)
        batch["keys"] = ["case0", "case1", *batch["keys"]][: len(batch["keys"])]
        outputs.append(trainer.train_step(batch))
    trainer.on_train_epoch_end(outputs)


@pytest.mark.parametrize("deep", [False, True])
def test_it_writes_what_pushes_on_a_class_and_goes_on(nnunet, deep):
    trainer = make_trainer(nnunet, deep=deep)
    trainer.num_iterations_per_epoch = 2
    trainer.initialize()
    trainer.on_train_start()
    Path(trainer.output_folder, "push.tsv").unlink(missing_ok=True)
    steps(trainer, 2)
    header, rows = read_cells(Path(trainer.output_folder, "push.tsv"))
    row = dict(zip(header, rows[0][1], strict=True))
    assert row["step"] == "2"
    assert float(row["push_empty_RV"]) == 0
    assert {"push_missing_LV", "predicted_empty_RV"} <= set(header)
    again = make_trainer(nnunet, deep=deep)
    again.initialize()
    again.current_epoch = 1
    again.on_train_start()
    assert [each["step"] for each in again.watch.rows] == [2]


def test_a_loss_that_cannot_be_measured_trains_all_the_same(nnunet):
    trainer = make_trainer(nnunet, deep=False)
    trainer.make_loss = torch.nn.CrossEntropyLoss
    trainer.initialize()
    trainer.on_train_start()
    assert trainer.watch is None
    log = max(Path(trainer.output_folder).glob("training_log_*.txt"), key=os.path.getmtime)
    assert "The push meter is off: the push of CrossEntropyLoss() cannot" in log.read_text()


def test_the_watched_trainer_of_the_docs_measures_the_twin(nnunet):
    page = Path(__file__).parents[2] / "docs" / "nnunet.md"
    found = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (snippet,) = [each for each in found if "PushWatch" in each]
    names = {}
    exec(snippet, names)
    trainer = make_trainer(nnunet)
    trainer.initialize()
    watch = names["nnUNetTrainerWatched"].make_watch(trainer)
    logits, targets = make_batch("classes", deep=True)
    with watch.listening():
        with_two_weights(trainer.loss)(logits, targets)
    assert watch.step == 1


def test_the_pseudo_dice_counts_annotated_maps_alone(nnunet):
    from dicegrad.interop.nnunet_masks import hard_counts

    logits, target = make_batch("ignore", deep=False)
    everything = torch.ones(2, 2, dtype=torch.bool)
    trainer = make_trainer(nnunet, deep=False, **KINDS["ignore"])
    trainer.initialize()
    trainer.network = lambda data: logits.detach()
    batch = {"data": torch.zeros(1), "target": target, "keys": ["case2", "case3"]}
    counts = hard_counts(logits, target, everything, regions=False, ignore=3)
    theirs = trainer.validation_step({**batch, "target": target.clone()})
    for name, each in counts.items():
        np.testing.assert_allclose(theirs[name], each)
    masked = trainer.validation_step(
        {**batch, "target": target.clone(), "keys": ["case1", "case3"]}
    )
    second = hard_counts(logits[1:], target[1:], everything[1:], regions=False, ignore=3)
    for name, each in second.items():
        np.testing.assert_allclose(masked[name], each)


def test_a_table_that_contradicts_the_labels_is_refused(nnunet, tmp_path, monkeypatch):
    raw = tmp_path / "raw" / nnunet.name
    raw.mkdir(parents=True)
    monkeypatch.setenv("nnUNet_raw", str(raw.parent))
    table = raw / "annotated.tsv"
    table.write_text("case\tannotated\ncase3\tLV\n")
    said = refusal(make_trainer(nnunet).initialize)
    assert said == (
        f"{table}: case 'case3' is annotated for LV only, but its label has voxels of RV; add RV "
        "to its line, or remove these voxels"
    )
    table.write_text("case\tannotated\ncase33\tLV\n")
    assert "case 'case33' is not in the dataset; did you mean 'case3'?" in refusal(
        make_trainer(nnunet).initialize
    )


TRAINER = """
from dicegrad.interop.nnunet import nnUNetTrainerDicegrad


class nnUNetTrainerShort(nnUNetTrainerDicegrad):
    def __init__(self, plans, configuration, fold, dataset_json, device):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs, self.num_iterations_per_epoch = 2, 2
        self.num_val_iterations_per_epoch = 2
"""


def imports(module):
    """Whether nnU-Net's search for trainers, which imports all of its own, gets through."""
    try:
        importlib.import_module(module)
    except (ImportError, RuntimeError):
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(not imports("torchvision"), reason="torchvision does not fit torch here")
def test_two_epochs_with_the_commands_of_nnunet(heart, tmp_path):
    """nnUNetv2_train finds the trainer by its name, trains, validates; nnUNetv2_predict goes on."""
    (tmp_path / "nnUNetTrainerShort.py").write_text(TRAINER)
    found = {"nnUNet_extTrainer": os.pathsep.join([str(TRAINERS), str(tmp_path)])}
    own = ("-tr", "nnUNetTrainerShort")
    said = heart.run("nnUNetv2_train", "1", "3d_fullres", "0", *own, "-device", "cpu", **found)
    assert "2 of 6 cases are not annotated for every class" in said
    assert "Mean validation Dice of annotated maps alone" in said
    images = heart.raw / heart.name / "imagesTr"
    heart.run(
        "nnUNetv2_predict", "-i", str(images), "-o", str(tmp_path / "out"), "-d", "1", "-f", "0",
        "-c", "3d_fullres", *own, "-device", "cpu", "-npp", "1", "-nps", "1", **found,
    )  # fmt: skip
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 6

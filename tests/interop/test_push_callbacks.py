"""The push meter in Lightning and in MONAI's trainers: the examples of docs/monai.md are run."""

import re
from pathlib import Path

import pytest
import torch

from dicegrad.files import read_cells
from dicegrad.losses import DiceCELoss
from tests.conftest import needs, refusal

PAGE = Path(__file__).parents[2] / "docs" / "monai.md"
COLUMNS = ["step", "push_empty_LV", "push_missing_LV", "predicted_empty_LV", "push_empty_RV"]


def snippet(word):
    found = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (one,) = [each for each in found if word in each]
    return one


def cases(count=8):
    """Noise in which LV is drawn everywhere; RV, in every second case, is not annotated."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for number in range(count):
        label = torch.zeros(1, 8, 8, 8, dtype=torch.int64)
        label[:, :3] = 1
        label[:, 5:] = 2 * (number % 2)
        image = label + 0.3 * torch.randn(1, 8, 8, 8, generator=generator)
        known = torch.tensor([True, number % 2 == 1])
        found.append({"image": image, "label": label, "annotated": known})
    return found


def batches():
    return torch.utils.data.DataLoader(cases(), batch_size=2)


def rows(path):
    header, lines = read_cells(path)
    return header, [dict(zip(header, cells, strict=True)) for _, cells in lines]


@pytest.fixture
def lightning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("monai.losses", reason="monai is not installed")
    return needs("lightning", reason="lightning is not installed: make test-interop")


def segmentation():
    names = {}
    exec(snippet("class Segmentation"), names)
    return names["Segmentation"](classes=2)


def test_the_example_for_lightning_writes_its_table(lightning, tmp_path):
    torch.manual_seed(0)
    names = {"module": segmentation(), "batches": batches()}
    example = snippet("PushCallback").replace("max_epochs=10", 'max_epochs=10, accelerator="cpu"')
    exec(example, names)
    header, found = rows(tmp_path / "push.tsv")
    assert header[:5] == COLUMNS
    assert [row["step"] for row in found] == ["10", "20", "30", "40"]
    assert all(float(row["push_empty_RV"]) == 0 for row in found)
    assert all(float(row["push_missing_RV"]) > 0 for row in found), "the loss was told by the batch"
    assert "push_missing_RV" in names["trainer"].logged_metrics
    assert not names["module"].loss.loss._forward_hooks, "nobody listens any longer"


def test_a_run_of_lightning_that_goes_on_adds_to_its_table(lightning, tmp_path):
    from dicegrad.interop.push_lightning import PushCallback

    def fit(epochs, **start):
        trainer = lightning.Trainer(
            callbacks=[PushCallback(["LV", "RV"], every=4, table="push.tsv")],
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
        )
        trainer.fit(segmentation(), batches(), **start)
        return trainer

    fit(2).save_checkpoint("half.ckpt")
    _, first = rows(tmp_path / "push.tsv")
    fit(4, ckpt_path="half.ckpt")
    _, found = rows(tmp_path / "push.tsv")
    assert [row["step"] for row in found] == ["4", "8", "12", "16"]
    assert found[:2] == first


def test_lightning_is_told_which_attribute_has_no_loss(lightning):
    from dicegrad.interop.push_lightning import PushCallback

    trainer = lightning.Trainer(
        callbacks=[PushCallback(["LV", "RV"], loss="criterion")],
        fast_dev_run=1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
    )
    said = refusal(trainer.fit, segmentation(), batches())
    assert said.startswith("Segmentation.criterion is NoneType; loss= must name the attribute")


@pytest.fixture
def monai(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("ignite", reason="pytorch-ignite is not installed: make test-interop")
    return pytest.importorskip("monai", reason="monai is not installed")


def trained(example, **more):
    from monai.networks.nets import UNet

    torch.manual_seed(0)
    network = UNet(3, 1, 3, channels=(8, 16), strides=(2,))
    names = {"device": torch.device("cpu"), "batches": batches(), "network": network}
    names["optimizer"] = torch.optim.Adam(network.parameters(), 1e-2)
    exec(example, names | more)
    return network


def test_the_example_for_monais_trainer_writes_its_table_and_changes_no_bit(monai, tmp_path):
    example = snippet("PushHandler")
    network = trained(example)
    header, found = rows(tmp_path / "push.tsv")
    assert header[:5] == COLUMNS
    assert [row["step"] for row in found] == ["10", "20", "30", "40"]
    assert all(float(row["push_empty_RV"]) > 0.01 for row in found), "batch Dice learns them"
    without = trained(example.replace("train_handlers=[push]", "train_handlers=None"))
    for one, other in zip(network.parameters(), without.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_loss_of_monais_own_is_measured_as_its_twin(monai):
    from ignite.engine import Engine
    from monai.losses import DiceCELoss as Theirs

    from dicegrad.interop.push_monai import PushHandler

    theirs = Theirs(softmax=True, to_onehot_y=True, batch=True, include_background=False)
    twin = DiceCELoss("BI", 1e-5, activation="softmax", include_background=False)
    both = [
        PushHandler(theirs, ["LV", "RV"], every=1, twin=twin),
        PushHandler(twin, ["LV", "RV"], every=1),
    ]
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, 8, generator=generator).requires_grad_()
    label = torch.stack([case["label"] for case in cases(2)])

    def step(engine, batch):
        for loss in (theirs, twin):
            loss(logits, label).backward()

    engine = Engine(step)
    for handler in both:
        handler.attach(engine)
    engine.run([0])
    (row,), (other,) = (handler.watch.rows for handler in both)
    assert row == pytest.approx(other, rel=1e-12, nan_ok=True)
    assert engine.state.metrics["push_empty_RV"] > 0.1


def test_where_a_step_fails_the_error_is_its_own_and_the_rows_are_kept(monai, tmp_path):
    from ignite.engine import Engine

    from dicegrad.interop.push_monai import PushHandler

    loss = DiceCELoss("BI", activation="softmax")
    handler = PushHandler(loss, ["LV", "RV"], every=1, table=tmp_path / "push.tsv")

    def step(engine, number):
        if number == 2:
            raise RuntimeError("a step failed")
        loss(torch.randn(2, 3, 4, 4, requires_grad=True), torch.ones(2, 4, 4, dtype=torch.uint8))

    engine = Engine(step)
    handler.attach(engine)
    with pytest.raises(RuntimeError, match="a step failed"):
        engine.run([0, 1, 2])
    assert len(rows(tmp_path / "push.tsv")[1]) == 2
    assert not loss._forward_hooks

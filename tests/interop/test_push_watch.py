"""The push meter beside a training loop: by call, and by listening to the loss."""

import re
from pathlib import Path

import pytest
import torch

from dicegrad.files import read_cells
from dicegrad.interop.push_watch import PushWatch
from dicegrad.losses import CrossEntropyLoss, DiceCELoss, DiceLoss, LeafDiceLoss
from tests.conftest import refusal


def run(loss, steps, tmp_path, lines):
    """A loop of one's own, on one parameter per voxel."""
    y = torch.zeros(2, 6, 6, 2, dtype=torch.uint8)
    y[0, :3] = 1
    logits = torch.zeros(2, 1, 6, 6, 2, requires_grad=True)
    optimizer = torch.optim.SGD([logits], 20.0)
    watch = PushWatch(loss, ["a"], report=lines.append)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(logits, y).backward()
        optimizer.step()
        watch(logits, y)
    watch.write(tmp_path / "push.tsv")
    return watch.rows


def test_a_loop_of_ones_own_is_told_when_a_class_is_unlearnt(tmp_path):
    lines = []
    rows = run(DiceLoss("BI", activation="sigmoid"), 200, tmp_path, lines)
    assert [row["step"] for row in rows] == list(range(10, 201, 10))
    assert "which this loss learns as empty" in lines[0]
    assert any("predicted volume there fell from" in line for line in lines[1:])
    header, table = read_cells(tmp_path / "push.tsv")
    assert header == ["step", "push_empty_a", "push_missing_a", "predicted_empty_a"]
    assert len(list(table)) == 20


def test_a_blind_loss_gives_no_warning(tmp_path):
    lines = []
    rows = run(DiceLoss("I", activation="sigmoid"), 100, tmp_path, lines)
    assert lines == []
    assert rows[-1]["push_empty_a"] < 1e-6


def test_a_table_without_a_row_is_refused(tmp_path):
    watch = PushWatch(DiceLoss(activation="sigmoid"), ["a"])
    assert "no row yet" in refusal(watch.write, tmp_path / "push.tsv")
    assert "every is 0" in refusal(PushWatch, DiceLoss(), ["a"], 0)
    told = refusal(PushWatch, LeafDiceLoss(), ["a"])
    assert "the push of LeafDiceLoss" in told
    assert "give twin=" in told


def batch():
    """Two cases of two classes; the second case has none of class 2."""
    y = torch.zeros(2, 6, 6, 4, dtype=torch.uint8)
    y[:, :2], y[0, 4:] = 1, 2
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 6, 6, 4, generator=generator).requires_grad_(), y


def loss_of(phi="BI"):
    return DiceCELoss(phi, activation="softmax", include_background=False)


def test_listening_measures_what_a_call_does_and_only_calls_with_a_gradient():
    logits, y = batch()
    known = torch.tensor([[True, True], [True, False]])
    loss, other = loss_of(), loss_of()
    called = PushWatch(other, ["a", "b"], every=1)
    called(logits, y)
    called(logits, y, known)
    watch = PushWatch(loss, ["a", "b"], every=1)
    loss(logits, y)  # nobody listens yet
    with watch.listening():
        loss(logits, y).backward()
        with torch.no_grad():
            loss(logits, y)  # a validation
        loss(y=y, y_pred=logits, annotated=known).backward()
    loss(logits, y)
    for own, other in zip(watch.rows, called.rows, strict=True):
        assert own == pytest.approx(other, rel=1e-12, nan_ok=True)
    assert [row["step"] for row in watch.rows] == [1, 2]
    assert watch.rows[0]["push_empty_b"] > 0.1
    assert watch.rows[1]["push_empty_b"] == 0 < watch.rows[1]["push_missing_b"]


class Deep(torch.nn.Module):
    """Deep supervision, as MONAI and nnU-Net have it."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, outputs, y):
        coarse = y[:, ::2, ::2, ::2]
        return self.loss(outputs[0], y) + 0.5 * self.loss(outputs[1], coarse)


@pytest.mark.parametrize("other", [False, True], ids=["ours", "of another package"])
def test_of_a_deep_supervision_the_finest_resolution_is_a_step(other):
    logits, y = batch()
    plain = PushWatch(loss_of(), ["a", "b"], every=1)
    plain(logits, y)
    inner = torch.nn.CrossEntropyLoss() if other else loss_of()
    deep = Deep(inner)
    watch = PushWatch(deep, ["a", "b"], every=1, twin=loss_of() if other else None)
    coarse = logits[:, :, ::2, ::2, ::2].detach().requires_grad_()
    with watch.listening():
        for _ in range(2):
            deep([logits, coarse], y.long()).backward()
    assert [row["step"] for row in watch.rows] == [1, 2]
    measured = {name: value for name, value in watch.rows[0].items() if name != "step"}
    assert measured == pytest.approx(
        {n: v for n, v in plain.rows[0].items() if n != "step"}, nan_ok=True
    )


class Sum(torch.nn.Module):
    """Two losses that its code adds up."""

    def __init__(self, one, other):
        super().__init__()
        self.one, self.other = one, other

    def forward(self, logits, y):
        return self.one(logits, y) + self.other(logits, y.long())


@pytest.mark.parametrize("entropy", [CrossEntropyLoss, torch.nn.CrossEntropyLoss])
def test_a_sum_is_measured_as_its_twin_and_never_as_one_of_its_terms(entropy):
    logits, y = batch()
    theirs = Sum(DiceLoss("I", activation="softmax", include_background=False), entropy())
    told = refusal(PushWatch, theirs, ["a", "b"])
    assert "push of Sum does not follow from the 2 losses" in told
    assert "(DiceLoss, CrossEntropyLoss): give twin=" in told
    assert "twin=DiceCELoss(...)" in told
    watch = PushWatch(theirs, ["a", "b"], every=1, twin=loss_of("I"))
    plain = PushWatch(loss_of("I"), ["a", "b"], every=1)
    plain(logits, y)
    with watch.listening():
        theirs(logits, y).backward()
    assert watch.rows[0] == pytest.approx(plain.rows[0], nan_ok=True)
    assert watch.rows[0]["push_empty_b"] > 0.1


def test_a_sum_of_which_one_term_cannot_be_measured_is_not_measured_by_the_other():
    told = refusal(PushWatch, DiceCELoss(label_smoothing=0.1), ["a", "b"])
    assert "push of DiceCELoss does not follow" in told


def test_a_loss_that_is_held_twice_is_one_loss():
    loss = loss_of()
    assert PushWatch(Sum(loss, loss), ["a", "b"]).inner is loss


def test_a_run_that_goes_on_keeps_the_rows_before(tmp_path):
    logits, y = batch()
    loss = loss_of()
    watch, again = (PushWatch(loss, ["a", "b"], every=1) for _ in range(2))
    for _ in range(3):
        watch(logits, y)
    watch.write(tmp_path / "push.tsv")
    again.go_on(tmp_path / "push.tsv", step=2)
    again(logits, y)
    assert [row["step"] for row in again.rows] == [1, 2, 3]


def test_the_loop_of_the_docs_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[2] / "docs" / "which-loss.md"
    found = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (snippet,) = [each for each in found if "PushWatch" in each]
    network = torch.nn.Conv3d(1, 4, 3, padding=1)
    batches = [(torch.randn(2, 1, 8, 8, 4), torch.randint(0, 4, (2, 8, 8, 4)))] * 12
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    names = {"loss": loss_of(), "network": network, "batches": batches, "optimizer": optimizer}
    exec(snippet, names)
    assert read_cells("push.tsv")[0][:2] == ["step", "push_empty_LV"]

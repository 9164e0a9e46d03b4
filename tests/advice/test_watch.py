import torch

from dicegrad.advice.watch import PushWatch
from dicegrad.files import read_cells
from dicegrad.losses import DiceLoss
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

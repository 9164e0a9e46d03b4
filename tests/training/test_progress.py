import subprocess
import sys

import pytest

from dicegrad.training import progress as module
from dicegrad.training.progress import Progress, Stopwatch

ROW = {"epoch": 3, "step": 9, "learning_rate": 3.2e-4, "train_loss": 0.51234, "val_loss": 0.6}


@pytest.fixture
def progress():
    def make(left=3723.0, early=True):
        row = {**ROW, "dsc_LV": 0.8125, "dsc_MYO": float("nan")}
        return Progress(row, 40, 2.0, 12.345, left, early, 610_000_000)

    return make


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    seconds = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: seconds[0])
    return seconds


def test_a_line_of_a_log_says_all_there_is_to_know(progress):
    assert str(progress()) == (
        "epoch 3/40  loss 0.5123  val loss 0.6000  DSC LV 0.812  DSC MYO nan  lr 0.00032  "
        "cases/s 12.3  memory 0.61 GB  left at most 1:02:03"
    )


def test_time_left_is_an_upper_bound_only_where_training_may_stop_early(progress):
    assert progress(early=False).time_left() == "1:02:03"
    assert progress(left=90_000.0).time_left() == "at most 25:00:00"
    assert progress(left=0.0).time_left() == "0:00:00"


def test_time_left_is_judged_by_the_last_epochs():
    watch = Stopwatch()
    watch.restore([100.0] * 5 + [2.0] * 10 + [0.5])
    assert watch.left(7) == pytest.approx(14)


def test_what_an_epoch_took_before_a_training_was_cut_off_counts(clock):
    first, second = Stopwatch(), Stopwatch()
    clock[0] += 2
    first.stop()
    first.start()
    clock[0] += 3
    second.restore(first.state())
    clock[0] += 100  # the training does not run
    second.start()
    clock[0] += 4
    assert second.stop() == 7
    assert second.epochs == [2, 7]


def test_an_epoch_that_is_over_is_no_part_of_the_next_one(clock):
    watch = Stopwatch()
    clock[0] += 5
    watch.stop()
    clock[0] += 1
    # What a checkpoint holds that is written between two epochs.
    assert watch.state() == [5, 1]
    assert watch.epochs == [5]


PEAK = """
import torch
from dicegrad.training.progress import peak_memory

before = peak_memory(torch.device("cpu"))
bytearray(before).count(1)
print(before, peak_memory(torch.device("cpu")))
"""


def test_memory_is_that_of_the_process_at_its_peak():
    # In a process of its own, started by a larger one: the peak of that one is none of its own.
    ballast = b"x" * 2**30
    code = """
import torch
from dicegrad.training.progress import peak_memory
before = peak_memory(torch.device("cpu"))
bytearray(before).count(1)
print(before, peak_memory(torch.device("cpu")))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, told.stdout.split())
    assert before < len(ballast)
    assert 50_000_000 < before < 2**40  # torch alone takes more than the one
    assert after > 1.5 * before

import re
import sys

import pytest

from dicegrad.terminal import counted, shown
from dicegrad.training.progress import Progress


def at(epoch):
    row = {"epoch": epoch, "learning_rate": 1e-3, "train_loss": 0.5, "val_loss": 0.25}
    row |= {"dsc_LV": 0.8}
    return Progress(row, 40, 1.0, 12.0, 60.0 * (40 - epoch), True, 10**9)


def show():
    with shown() as report:
        report("on [cpu]")
        report(at(9))
        report(at(10))


@pytest.fixture
def on_terminal(capsys, monkeypatch):
    """Lines that a terminal of some width is given, without what moves the cursor."""

    def lines(width, show=show):
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(width))
        show()
        plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", capsys.readouterr().out).replace("\r", "\n")
        return [line for line in plain.splitlines() if line.strip()]

    return lines


def test_without_a_terminal_every_epoch_is_a_line(capsys):
    show()
    assert capsys.readouterr().out == f"on [cpu]\n{at(9)}\n{at(10)}\n"


def test_on_a_terminal_epochs_are_rows_under_names_above_a_bar(on_terminal):
    lines = on_terminal(100)
    assert any(line.startswith("on [cpu]") for line in lines)  # brackets are text, not markup
    header, first, second = (
        next(line for line in lines if words in line) for words in ("val loss", "9/40", "10/40  ")
    )
    cells = [re.split(" {2,}", line.strip()) for line in (header, first)]
    assert cells[0] == ["epoch", "loss", "val loss", "DSC LV", "lr", "cases/s", "memory"]
    assert cells[1] == ["9/40", "0.5000", "0.2500", "0.800", "0.001", "12", "1.00 GB"]
    assert len(header) == len(first) == len(second)  # right-aligned
    assert "epoch 10/40, time left at most 0:30:00" in lines[-1]


def test_a_machine_without_rich_gets_lines(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    show()
    assert capsys.readouterr().out == f"on [cpu]\n{at(9)}\n{at(10)}\n"


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_gets_no_broken_rows(on_terminal, width):
    lines = on_terminal(width)
    assert sum("0.5000" in line for line in lines) == 2
    assert all(len(line.rstrip()) <= width for line in lines)


def count():
    with counted(2) as report:
        report("case [1]")
        report("case [2]")


def test_pieces_of_work_are_numbered_lines(capsys):
    count()
    assert capsys.readouterr().out == "1/2  case [1]\n2/2  case [2]\n"


def test_on_a_terminal_they_stand_above_a_bar(on_terminal):
    lines = on_terminal(60, count)
    assert [line.strip() for line in lines if "case" in line] == ["1/2  case [1]", "2/2  case [2]"]
    assert "100%" in lines[-1]

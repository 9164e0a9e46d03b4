import math
import sys

import pytest

from dicegrad.training import progress_figure as module
from dicegrad.training.progress import Progress
from dicegrad.training.progress_figure import ProgressFigure, draw_curves, moving_average

PNG = b"\x89PNG\r\n\x1a\n"


def rows(count):
    return [
        {
            "epoch": number,
            "step": 3 * number,
            "learning_rate": 1e-3,
            "train_loss": 1 / number,
            "val_loss": 1.1 / number,
            "dsc_LV": 1 - 1 / number,
            "dsc_MYO": math.nan,
        }
        for number in range(1, count + 1)
    ]


def now(count, left=60.0):
    return Progress(rows(count)[-1], 40, 1.0, 10.0, left, True, 10**9)


@pytest.fixture
def curves(tmp_path):
    lines = []
    drawn = ProgressFigure(tmp_path / "progress.png", lines.append, every=0)
    return drawn, lines


def test_losses_dsc_learning_rate_and_duration_are_drawn_over_epochs():
    figure = draw_curves(rows(5), [1.0, 2.0, 3.0, 4.0, 5.0], now(5))
    losses, dice, rate, duration = figure.axes
    assert [line.get_label() for line in losses.lines] == ["training", "validation"]
    assert list(losses.lines[0].get_ydata()) == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert len(dice.lines) == 4  # each class, and its moving average
    assert list(rate.lines[0].get_ydata()) == [1e-3] * 5
    assert list(duration.lines[0].get_ydata()) == [1, 2, 3, 4, 5]
    assert all(list(axes.lines[0].get_xdata()) == [1, 2, 3, 4, 5] for axes in figure.axes)
    assert "epoch 5/40" in figure.get_suptitle()
    assert "at most 0:01:00" in figure.get_suptitle()


def test_where_maps_without_a_true_voxel_were_seen_their_push_is_drawn():
    history = [
        row
        | {f"push_empty_{name}": share, f"push_missing_{name}": 0, f"predicted_empty_{name}": there}
        for row in rows(3)
        for name, share, there in [("MYO", 0.25, 0.5)]
    ]
    _, _, share, _, _, volume = draw_curves(history, [1.0] * 3, now(3)).axes
    assert [list(line.get_ydata()) for line in share.lines] == [[25] * 3]
    assert [list(line.get_ydata()) for line in volume.lines] == [[50] * 3]
    none = [row | {"predicted_empty_MYO": math.nan} for row in history]
    assert len(draw_curves(none, [1.0] * 3, now(3)).axes) == 4


def test_a_moving_average_smooths_and_leaves_out_what_is_no_number():
    assert moving_average([math.nan, 1, math.nan, 0], 10)[1:] == [1, 1, 0.9]
    assert moving_average([1, 0, 3], 1) == [1, 0, 3]
    assert math.isnan(moving_average([math.nan], 10)[0])


def test_the_picture_is_there_whole_and_renewed(curves, tmp_path):
    drawn, lines = curves
    drawn.update(rows(1), [1.0], now(1))
    first = (tmp_path / "progress.png").read_bytes()
    drawn.update(rows(9), [1.0] * 9, now(9))
    second = (tmp_path / "progress.png").read_bytes()
    assert first.startswith(PNG)
    assert second.startswith(PNG)
    assert first != second
    assert [path.name for path in tmp_path.iterdir()] == ["progress.png"]
    assert lines == []


def test_it_is_drawn_no_oftener_than_asked_and_once_more_at_the_end(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    drawn, counts = ProgressFigure(tmp_path / "progress.png", print), []
    monkeypatch.setattr(drawn, "draw", lambda *_: counts.append(clock[0]))
    drawn.update(rows(1), [1.0], now(1))
    assert counts == []  # too soon
    clock[0] = 31.0
    drawn.update(rows(2), [1.0] * 2, now(2))
    assert counts == [31.0]
    drawn.drawn, clock[0] = 31.0, 40.0
    drawn.update(rows(3), [1.0] * 3, now(3, left=0.0))
    assert counts == [31.0]  # there is no picture that would not be of the end
    drawn.path.touch()
    drawn.update(rows(3), [1.0] * 3, now(3, left=0.0))
    assert counts == [31.0, 40.0]


def test_without_matplotlib_one_line_says_so_and_training_goes_on(curves, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    drawn, lines = curves
    for count in (1, 2):
        drawn.update(rows(count), [1.0] * count, now(count))
    assert lines == ["progress.png is not drawn: matplotlib is not installed"]
    assert not drawn.path.exists()


def test_a_picture_that_cannot_be_written_stops_no_training(curves, tmp_path):
    drawn, lines = curves
    drawn.path.mkdir()
    for count in (1, 2):
        drawn.update(rows(count), [1.0] * count, now(count))
    assert len(lines) == 1
    assert "progress.png: could not be written" in lines[0]


def test_the_picture_of_another_training_goes(tmp_path):
    path = tmp_path / "progress.png"
    path.touch()
    ProgressFigure(path, print)
    assert path.exists()
    ProgressFigure(path, print, fresh=True)
    assert not path.exists()


def test_the_picture_says_what_validation_looks_at():
    for share, words in ((0.0, "the held-out fold"), (0.25, "25 % of the training subjects")):
        figure = draw_curves(rows(2), [1.0, 2.0], now(2), share)
        assert f"validation: {words}" in figure.get_suptitle()

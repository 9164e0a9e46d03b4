import sys

import pytest

from dicegrad.errors import InputError, Interrupted


@pytest.fixture
def read():
    """Steps and values of each scalar in a folder, as TensorBoard shows them."""
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is absent"
    )

    def scalars(folder):
        found = events.EventAccumulator(str(folder)).Reload()
        names = found.Tags()["scalars"]
        return {name: [(e.step, e.value) for e in found.Scalars(name)] for name in names}

    return scalars


def test_tensorboard_shows_what_the_history_says(fit, history, read, tmp_path):
    fit(tensorboard=tmp_path / "board")
    shown, rows = read(tmp_path / "board"), history(tmp_path / "out")
    pairs = {"train_loss": "loss/training", "val_loss": "loss/validation", "dsc_box": "dsc/box"}
    for key, name in {**pairs, "learning_rate": "learning_rate"}.items():
        assert [step for step, _ in shown[name]] == [1, 2, 3]
        assert [value for _, value in shown[name]] == pytest.approx(rows[key], rel=1e-5)
    assert all(value > 0 for _, value in shown["speed/cases_per_second"])
    assert {"speed/epoch_seconds", "memory/gigabytes"} < set(shown)


def test_a_training_that_goes_on_shows_each_epoch_once(fit, read, stop_at, tmp_path):
    with pytest.raises(Interrupted):
        fit(objective=stop_at(6), tensorboard=tmp_path / "board")
    fit(tensorboard=tmp_path / "board")
    assert [step for step, _ in read(tmp_path / "board")["loss/training"]] == [1, 2, 3]


def test_tensorboard_that_is_asked_for_and_missing_is_one_line(fit, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="the package tensorboard is not installed; pip install"):
        fit(tensorboard=tmp_path / "board")
    fit()  # not asked for, not missed

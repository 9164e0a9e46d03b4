"""A training that is cut off and goes on ends with the bits of one that was not."""

import pickle
import signal
import subprocess
import sys

import pytest
import torch

from dicegrad.errors import InputError, Interrupted
from dicegrad.losses import DiceLoss
from dicegrad.training.loop import train
from dicegrad.training.run import Split

VARIED = {"flip": [0.5, 0, 0], "rotation": [0, 0, 0.3], "intensity_shift": 0.1, "noise": 0.1}


@pytest.fixture
def eventful(fit, tiny_network):
    """A training in which everything that has a state is in use."""
    settings = {"augmentation": VARIED, "keep_every": 2, "schedule": "plateau", "patience": 1}
    settings |= {"min_delta": 0.05}
    network = tiny_network(norm="batch", activation="prelu")

    def run(folder, objective=None, checkpoint_minutes=10, **changes):
        return fit(
            settings | {"checkpoint_minutes": checkpoint_minutes},
            folder,
            objective=objective or DiceLoss("I", activation="sigmoid"),
            network_settings=network,
            **changes,
        )

    return run


# Three steps an epoch, then a validation of one batch: calls 4, 8 and 12 of the loss validate.
@pytest.mark.parametrize("call", [1, 2, 3, 4, 6, 7, 10, 11])
def test_a_training_that_is_stopped_goes_on_as_if_nothing_had_been(
    eventful, fingerprint, tmp_path, call, stop_at
):
    eventful("whole")
    with pytest.raises(Interrupted, match="stopped by SIGTERM at step"):
        eventful("cut", stop_at(call))
    assert [path.name for path in (tmp_path / "cut").glob("*.pt")] == ["checkpoint.pt"]
    lines = []
    eventful("cut", report=lines.append)
    assert lines[0].startswith("resumes from")
    assert fingerprint(tmp_path / "cut") == fingerprint(tmp_path / "whole")
    assert [path.name for path in (tmp_path / "cut").glob("*.pt")] == ["weights.pt"]


def test_a_training_may_be_stopped_at_every_step(eventful, fingerprint, tmp_path, stop_at):
    eventful("whole")
    stops = 0
    while not (tmp_path / "cut" / "weights.pt").exists() and stops < 20:
        try:
            eventful("cut", stop_at(1))
        except Interrupted:
            stops += 1
    assert stops == 11  # at each step, and in each validation but the last
    assert fingerprint(tmp_path / "cut") == fingerprint(tmp_path / "whole")


def test_a_signal_during_the_last_validation_comes_too_late(
    eventful, fingerprint, tmp_path, stop_at
):
    eventful("whole")
    eventful("late", stop_at(12))
    assert fingerprint(tmp_path / "late") == fingerprint(tmp_path / "whole")


def test_a_signal_during_a_validation_does_not_wait_for_its_end(
    eventful, fingerprint, tmp_path, stop_at
):
    held_out = Split((0, 1, 2), (3, 4, 5, 6))  # two steps an epoch, then two batches of validation
    eventful("whole", split=held_out)
    cut = stop_at(3)
    with pytest.raises(Interrupted, match="at step 2"):
        eventful("cut", cut, split=held_out)
    assert cut.calls == 3
    eventful("cut", split=held_out)
    assert fingerprint(tmp_path / "cut") == fingerprint(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_are_caught_only_while_training(eventful, number, stop_at):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=f"stopped by {number.name} at step 2"):
        eventful("out", stop_at(2, number))
    assert signal.getsignal(number) is before


CHILD = """
import pickle, sys
import torch
from dicegrad.training.loop import train

torch.set_num_threads(1)
arguments, wait = pickle.load(open(sys.argv[1], "rb")), int(sys.argv[2])
calls = 0

def called(loss, given):
    global calls
    calls += 1
    if calls == wait:
        print("ready", flush=True)
        sys.stdin.readline()

arguments["objective"].register_forward_pre_hook(called)
train(**arguments)
"""


def test_a_process_that_is_killed_goes_on_in_another(arguments, fingerprint, tmp_path):
    def given(name):
        settings = {"augmentation": VARIED, "checkpoint_minutes": 0}  # one after every step
        return arguments(tmp_path / name, settings)

    (tmp_path / "arguments").write_bytes(pickle.dumps(given("cut")))
    command = [sys.executable, "-c", CHILD, str(tmp_path / "arguments"), "6"]
    pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with subprocess.Popen(command, **pipes, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        child.kill()
        assert child.wait(60) == -signal.SIGKILL

    train(**given("whole"))
    lines = []
    train(**given("cut"), report=lines.append)
    assert "at epoch 2, step 4" in lines[0]  # call 4 was the validation, call 6 the fifth step
    assert fingerprint(tmp_path / "cut") == fingerprint(tmp_path / "whole")


def test_a_checkpoint_of_another_training_is_refused_by_what_differs(eventful, toy, stop_at):
    with pytest.raises(Interrupted):
        eventful("out", stop_at(2))
    for changes, message in [
        ({"seed": 8}, "seed was 7 and is now 8"),
        ({"batch_size": 3}, "batch_size was 2 and is now 3"),
        ({"data": toy(seed=1)}, "data was '[0-9a-f]+' and is now"),
        ({"identity": {"fold": 1}}, "fold was None and is now 1"),
        ({"split": Split((0, 1), (5, 6))}, "split was"),
    ]:
        with pytest.raises(InputError, match=f"is of another configuration: {message}") as error:
            eventful("out", **changes)
        assert len(str(error.value).splitlines()) == 1
    eventful("out", checkpoint_minutes=5)  # how often it is written does not matter


def test_a_checkpoint_of_another_training_can_be_set_aside(
    eventful, fingerprint, tmp_path, stop_at
):
    with pytest.raises(Interrupted):
        eventful("out", stop_at(2))
    eventful("fresh", seed=8)
    lines = []
    eventful("out", seed=8, set_aside=True, report=lines.append)
    assert fingerprint(tmp_path / "out") == fingerprint(tmp_path / "fresh")
    assert "seed was 7 and is now 8" in lines[0]
    assert "training starts from scratch" in lines[0]


def test_a_checkpoint_of_an_older_version_is_refused(fit, stop_at, tmp_path):
    with pytest.raises(Interrupted):
        fit(objective=stop_at(1))
    path = tmp_path / "out" / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    del state["configuration"]["checkpoint.format"], state["optimizer"]
    torch.save(state, path)
    with pytest.raises(InputError, match=r"checkpoint.format was None and is now \d"):
        fit()


def test_a_changed_setting_is_named_by_its_key(fit, stop_at):
    with pytest.raises(Interrupted):
        fit({"augmentation": {"noise": 0.1}}, objective=stop_at(2))
    with pytest.raises(InputError, match=r"training.augmentation.noise was 0.1 and is now 0.2;"):
        fit({"augmentation": {"noise": 0.2}})

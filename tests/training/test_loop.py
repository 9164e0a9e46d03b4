import math
import os
import pickle
import signal
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import torch

from dicegrad.errors import InputError, Interrupted
from dicegrad.losses import DiceLoss
from dicegrad.training import loop
from dicegrad.training.augmentation import augment
from dicegrad.training.loop import Split, derive_seed, train
from dicegrad.training.network import UNet, kernels_of

VARIED = {"flip": [0.5, 0, 0], "rotation": [0, 0, 0.3], "intensity_shift": 0.1, "noise": 0.1}


class Watched:
    """The Dice loss, and what each batch of the training held."""

    def __init__(self, then=lambda calls: None):
        self.loss, self.then = DiceLoss("I", activation="sigmoid"), then
        self.calls, self.batches = 0, []

    def __call__(self, logits, label):
        self.calls += 1
        self.then(self.calls)
        if torch.is_grad_enabled():
            self.batches.append(label.clone())
        return self.loss(logits, label)


def constant(logits, label):
    """A loss of 0.25 without a gradient."""
    return 0.25 + 0 * logits.sum()


def first_weights(arguments):
    torch.manual_seed(derive_seed(arguments["seed"], "weights"))
    return UNet(arguments["network_settings"])


def test_a_seed_is_made_of_all_its_parts_and_the_same_on_every_machine():
    assert derive_seed(0, "acdc", 1) == 8562148269175109129
    seeds = [derive_seed(*parts) for parts in [(0, 1), (1, 0), (0, 1, ""), ("weights", 0), (0,)]]
    assert len(set(seeds)) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_same_seed_gives_the_same_bits(fit, fingerprint, tmp_path):
    for folder, seed in (("first", 1), ("again", 1), ("other", 2)):
        fit({"augmentation": VARIED}, folder, seed=seed)
    first, again, other = (fingerprint(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_nothing_outside_moves_or_is_moved_by_the_randomness_of_a_training(
    fit, fingerprint, tmp_path
):
    fit(folder="first")
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    fit(folder="second")
    assert torch.equal(torch.rand(3), expected)
    assert fingerprint(tmp_path / "first") == fingerprint(tmp_path / "second")


def test_a_training_leaves_weights_and_history_alone(fit, tmp_path):
    network = fit()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "history.tsv",
        "weights.pt",
    ]
    weights = torch.load(tmp_path / "out" / "weights.pt", weights_only=True)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_the_history_counts_epochs_and_steps(fit, history, tmp_path):
    fit({"epochs": 3, "schedule": "plateau", "patience": 1, "min_delta": 10})
    rows = history(tmp_path / "out")
    assert list(rows) == ["epoch", "step", "learning_rate", "train_loss", "val_loss", "dsc_box"]
    assert rows["epoch"] == [1, 2, 3]
    assert rows["step"] == [3, 6, 9]
    assert rows["learning_rate"] == pytest.approx([0.01, 0.01, 0.002])


def test_training_stops_early_once_nothing_improves(fit, history, tmp_path):
    fit({"epochs": 20, "stop_patience": 2, "min_delta": 10})
    assert history(tmp_path / "out")["epoch"] == [1, 2, 3]


def test_a_box_is_learnt(fit, history, tmp_path):
    fit({"epochs": 40, "learning_rate": 0.02, "schedule": "one_cycle", "stop_patience": 0})
    rows = history(tmp_path / "out")
    assert rows["train_loss"][-1] < 0.3 * rows["train_loss"][0]
    assert rows["val_loss"][-1] < 0.3 * rows["val_loss"][0]
    assert rows["dsc_box"][-1] > 0.9


def test_every_case_is_seen_once_an_epoch_in_an_order_of_its_own(fit, toy):
    watched = Watched()
    data = toy()
    data.labels.zero_()
    for case in range(7):
        data.labels[case, 0, 0, 0] = 1
        data.labels[case, 1].view(-1)[:case] = 1  # a case is told by its volume
    fit({"epochs": 4}, data=data, objective=watched)
    assert [len(batch) for batch in watched.batches] == [2, 2, 1] * 4
    seen = [int(label.sum()) - 1 for batch in watched.batches for label in batch]
    epochs = [seen[start : start + 5] for start in range(0, 20, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 1

    listed, watched.batches = Split((0, 0, 0, 1), (5,)), []
    fit({"epochs": 2, "passes": 2}, "listed", data=data, objective=watched, split=listed)
    seen = [int(label.sum()) - 1 for batch in watched.batches for label in batch]
    assert all(Counter(epoch) == {0: 6, 1: 2} for epoch in (seen[:8], seen[8:]))


def test_a_case_is_varied_anew_each_time_it_is_seen(fit, monkeypatch):
    seen = []

    def watched(image, *rest):
        varied, label = augment(image, *rest)
        seen.append(varied)
        return varied, label

    monkeypatch.setattr(loop, "augment", watched)
    once = Split((0,), (5,))
    fit({"epochs": 2, "passes": 2, "augmentation": {"noise": 0.1}}, split=once, batch_size=1)
    assert len(seen) == 4
    assert not any(torch.equal(a, b) for a, b in combinations(seen, 2))


def test_the_penalty_adds_twice_l2_times_the_kernel_to_the_gradient(arguments, tmp_path):
    l2 = 3e-7  # so small that Adam's epsilon tells one gradient from twice that gradient
    given = arguments(
        tmp_path, {"epochs": 1, "l2": l2}, objective=constant, split=Split((0, 1), (5, 6))
    )
    before, after = first_weights(given), train(**given)
    kernels = {id(kernel) for kernel in kernels_of(before)}
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        gradient = 2 * l2 * old if id(old) in kernels else torch.zeros_like(old)
        # The first step of Adam divides the gradient by its own size and epsilon.
        expected = old - 0.01 * gradient / (gradient.abs() + 1e-7)
        torch.testing.assert_close(new, expected, atol=1e-6, rtol=1e-4)


def test_the_penalty_is_part_of_the_validation_loss_alone(fit, history, tmp_path):
    network = fit({"epochs": 1, "l2": 1e-3}, objective=constant)
    penalty = 1e-3 * sum(float(kernel.detach().square().sum()) for kernel in kernels_of(network))
    rows = history(tmp_path / "out")
    assert penalty > 1e-3
    assert rows["val_loss"] == pytest.approx([0.25 + penalty], rel=1e-5)
    assert rows["train_loss"] == [0.25]


@pytest.mark.parametrize(("keep_every", "kept"), [(1, 5), (2, 4), (3, 3), (5, 5), (9, 5)])
def test_the_weights_of_the_last_multiple_are_kept(fit, fingerprint, tmp_path, keep_every, kept):
    fit({"epochs": 5, "keep_every": keep_every}, "out")
    fit({"epochs": kept}, "shorter")
    assert fingerprint(tmp_path / "out")[0] == fingerprint(tmp_path / "shorter")[0]


def stop_at(call, number=signal.SIGTERM):
    """A loss during whose given call a real signal comes."""
    return Watched(lambda calls: os.kill(os.getpid(), number) if calls == call else None)


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
            objective=objective or Watched(),
            network_settings=network,
            **changes,
        )

    return run


# Three steps an epoch, then a validation of one batch: calls 4, 8 and 12 of the loss validate.
@pytest.mark.parametrize("call", [1, 2, 3, 4, 6, 7, 10, 11])
def test_a_training_that_is_stopped_goes_on_as_if_nothing_had_been(
    eventful, fingerprint, tmp_path, call
):
    eventful("whole")
    with pytest.raises(Interrupted, match="stopped by SIGTERM at step"):
        eventful("cut", stop_at(call))
    assert [path.name for path in (tmp_path / "cut").glob("*.pt")] == ["checkpoint.pt"]
    lines = []
    eventful("cut", report=lines.append)
    assert lines[0].startswith("goes on from")
    assert fingerprint(tmp_path / "cut") == fingerprint(tmp_path / "whole")
    assert [path.name for path in (tmp_path / "cut").glob("*.pt")] == ["weights.pt"]


def test_a_training_may_be_stopped_at_every_step(eventful, fingerprint, tmp_path):
    eventful("whole")
    stops = 0
    while not (tmp_path / "cut" / "weights.pt").exists():
        try:
            eventful("cut", stop_at(1))
        except Interrupted:
            stops += 1
    assert stops == 9  # at each step; what is left of the last run is the last validation
    assert fingerprint(tmp_path / "cut") == fingerprint(tmp_path / "whole")


def test_a_signal_during_the_last_validation_comes_too_late(eventful, fingerprint, tmp_path):
    eventful("whole")
    eventful("late", stop_at(12))
    assert fingerprint(tmp_path / "late") == fingerprint(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_are_caught_only_while_training(eventful, number):
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
loss, calls = arguments.pop("objective"), 0

def objective(logits, label):
    global calls
    calls += 1
    if calls == wait:
        print("ready", flush=True)
        sys.stdin.readline()
    return loss(logits, label)

train(**arguments, objective=objective)
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


def test_a_checkpoint_of_another_training_is_refused_by_what_differs(eventful, toy):
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


def test_a_checkpoint_of_another_training_can_be_set_aside(eventful, fingerprint, tmp_path):
    with pytest.raises(Interrupted):
        eventful("out", stop_at(2))
    eventful("fresh", seed=8)
    lines = []
    eventful("out", seed=8, set_aside=True, report=lines.append)
    assert fingerprint(tmp_path / "out") == fingerprint(tmp_path / "fresh")
    assert "seed was 7 and is now 8" in lines[0]
    assert "training starts anew" in lines[0]


def test_a_changed_setting_is_named_by_its_key(fit):
    with pytest.raises(Interrupted):
        fit({"augmentation": {"noise": 0.1}}, objective=stop_at(2))
    with pytest.raises(InputError, match=r"training.augmentation.noise was 0.1 and is now 0.2;"):
        fit({"augmentation": {"noise": 0.2}})


def test_a_loss_that_is_no_number_names_epoch_batch_cases_and_what_to_try(fit, toy):
    data = toy()
    data.images[3] = math.nan
    with pytest.raises(InputError) as error:
        fit(data=data)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert message.startswith("the loss is nan in epoch 1 at batch ")
    assert "case3" in message
    assert "lower training.learning_rate (now 0.01)" in message


def test_a_loss_that_breaks_in_a_later_epoch_names_that_epoch_and_batch(fit, toy):
    watched = Watched()

    def objective(logits, label):
        loss = watched(logits, label)
        return loss * math.nan if len(watched.batches) == 5 and loss.requires_grad else loss

    with pytest.raises(InputError, match="the loss is nan in epoch 2 at batch 2 ") as error:
        fit(objective=objective)
    labels = toy().labels
    named = [n for n in range(7) if f"case{n}" in str(error.value)]
    assert len(named) == 2
    batch = sorted(label.flatten().tolist() for label in watched.batches[4])
    assert sorted(labels[n].flatten().tolist() for n in named) == batch


def test_a_validation_loss_that_is_no_number_stops_the_training(fit, toy, tmp_path):
    data = toy()
    data.images[6] = math.nan
    with pytest.raises(InputError, match="the validation loss is nan after epoch 1") as error:
        fit(data=data)
    assert "look at the held-out cases, or lower training.learning_rate" in str(error.value)
    assert not (tmp_path / "out" / "weights.pt").exists()


def test_a_split_without_cases_or_a_batch_without_one_is_refused(fit):
    with pytest.raises(InputError, match="there is no case for train"):
        Split((), (1,))
    with pytest.raises(InputError, match="there is no case for validation"):
        Split((1,), ())
    with pytest.raises(InputError, match="batch_size is 0; it starts at 1"):
        fit(batch_size=0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_disk_that_is_full_at_the_end_is_said_in_one_line(fit, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".weights.pt.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"weights.pt: could not be written"):
        fit()

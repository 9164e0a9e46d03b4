"""A network, cases and settings so small that a training takes a blink."""

import os
import signal

import pytest
import torch

from dicegrad.losses import DiceLoss
from dicegrad.training.checkpoint import state_hash
from dicegrad.training.dataset import PreparedData
from dicegrad.training.loop import train
from dicegrad.training.network import NetworkSettings
from dicegrad.training.run import Split
from dicegrad.training.settings import TrainingSettings

SIZE = (8, 8, 4)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_network():
    """Two levels of two and four features; one channel in, one class."""

    def make(out_channels=1, **changes):
        settings = {
            "in_channels": 1,
            "out_channels": out_channels,
            "encoder": ((2, 2), (4, 4)),
            "decoder": ((2, 2),),
            "kernels": ((3, 3, 3), (3, 3, 1)),
            "pools": ((2, 2, 1),),
        }
        return NetworkSettings(**(settings | changes))

    return make


@pytest.fixture(scope="session")
def toy():
    """Cases with a bright box each, whose label is the box."""

    def make(count=7, seed=0):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.zeros(count, *SIZE, dtype=torch.uint8)
        for number in range(count):
            x, y = torch.randint(0, 4, (2,), generator=generator).tolist()
            labels[number, x : x + 4, y : y + 4, 1:3] = 1
        noise = 0.1 * torch.randn((count, 1, *SIZE), generator=generator)
        names = tuple(f"case{number}" for number in range(count))
        return PreparedData((labels[:, None] + noise).half(), labels, names, ("box",))

    return make


@pytest.fixture(scope="session")
def arguments(tiny_network, toy):
    """Arguments of `train`: five cases to learn from, two held out; three steps an epoch."""

    def make(out, training=(), **changes):
        given = {
            "data": toy(),
            "split": Split((0, 1, 2, 3, 4), (5, 6)),
            "network_settings": tiny_network(),
            "settings": TrainingSettings.from_dict(
                {"epochs": 3, "learning_rate": 0.01, **dict(training)}
            ),
            "objective": DiceLoss("I", activation="sigmoid"),
            "batch_size": 2,
            "seed": 7,
            "out": out,
        }
        return given | changes

    return make


@pytest.fixture
def fit(arguments, tmp_path):
    """Train in a folder of its own; network, weights file and history."""

    def run(training=(), folder="out", **changes):
        return train(**arguments(tmp_path / folder, training, **changes))

    return run


@pytest.fixture(scope="session")
def fingerprint():
    """What must not differ: every bit of the weights, every character of the history."""

    def of(folder):
        return state_hash(folder / "weights.pt"), (folder / "history.tsv").read_text()

    return of


@pytest.fixture(scope="session")
def history():
    """The rows of history.tsv as numbers, column by column."""

    def read(folder):
        header, *lines = (
            line.split("\t") for line in (folder / "history.tsv").read_text().splitlines()
        )
        return {name: [float(line[column]) for line in lines] for column, name in enumerate(header)}

    return read


def watch(then=lambda calls: None):
    """The Dice loss of one class; keeps what each batch held, and does something in a call."""
    loss = DiceLoss("I", activation="sigmoid")
    loss.calls, loss.batches = 0, []

    def called(loss, given):
        loss.calls += 1
        then(loss.calls)
        if torch.is_grad_enabled():
            loss.batches.append(given[1].clone())

    loss.register_forward_pre_hook(called)
    return loss


@pytest.fixture
def watched():
    return watch()


@pytest.fixture(scope="session")
def stop_at():
    """A loss during whose given call a real signal comes."""

    def make(call, number=signal.SIGTERM):
        return watch(lambda calls: os.kill(os.getpid(), number) if calls == call else None)

    return make

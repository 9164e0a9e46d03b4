"""Twenty kills of one training, as a cluster or an impatient user would do it."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from dicegrad.training.files import unfinished

EPOCHS, KILLS = 60, 20
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TRAINING = {
    "epochs": EPOCHS,
    "passes": 3,
    "learning_rate": 0.01,
    "schedule": "plateau",
    "patience": 3,
    "stop_patience": 0,
    "keep_every": 7,
    "checkpoint_minutes": 0,  # after every step, so that many a kill comes while one is written
    "augmentation": {"flip": [0.5, 0, 0], "rotation": [0, 0, 0.3], "noise": 0.1},
}
NETWORK = {
    "encoder": [[4, 4], [8, 8]],
    "decoder": [[4, 4]],
    "kernels": [[3, 3, 3], [3, 3, 1]],
    "pools": [[2, 2, 1]],
    "norm": "batch",
    "activation": "prelu",
}


@dataclass(frozen=True)
class Given:
    """A prepared data set in a folder, and the command that trains on it."""

    folder: Path

    def start(self, out: str) -> subprocess.Popen:
        words = [self.folder, self.folder / "toy.yaml", self.folder / out, "--device", "cpu"]
        command = [sys.executable, "-m", "dicegrad.cli", "train", *map(str, words)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    def train(self, out: str) -> str:
        """Train to the end; what is said on the way."""
        said, _ = (child := self.start(out)).communicate(timeout=120)
        assert child.returncode == 0, said
        return said


@pytest.fixture
def given(toy, tmp_path):
    data = toy(6)
    np.save(tmp_path / "images.npy", data.images.numpy())
    (tmp_path / "labels").mkdir()
    np.save(tmp_path / "labels" / "partial.npy", data.labels.numpy())
    lines = ["case\tsubject\tgroup\tlabel\timage_t1"]
    lines += [f"c{i}\tc{i}\tHGG\tl.nii\ti.nii" for i in range(6)]
    (tmp_path / "cases.tsv").write_text("\n".join(lines) + "\n")
    folds = "".join(f"c{i}\t{i % 2}\n" for i in range(6))
    (tmp_path / "folds.tsv").write_text("subject\tfold\n" + folds)
    settings = {"classes": ["box"], "folds": {"count": 2, "method": "modulo"}}
    settings |= {"network": NETWORK, "training": TRAINING}
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(settings))
    return Given(tmp_path)


def kill(child: subprocess.Popen, number: int, half_written: Path | None, dice: random.Random):
    """Let a training go on for up to two epochs, and kill it.

    Args:
        child: The training; it has just been started.
        number: The signal.
        half_written: Kill while this file is there; None at any moment.
        dice: Decides on the moment.

    Returns:
        Seconds until the process was gone.
    """
    epochs = dice.randrange(2)
    while epochs >= 0:  # the first line comes before the first step
        line = child.stdout.readline()
        assert line, "the training ended before it was killed"
        epochs -= line.startswith(("epoch ", "dataset "))
    time.sleep(dice.uniform(0, 0.1))
    while half_written and not half_written.exists():
        assert child.poll() is None
    child.send_signal(number)
    sent = time.monotonic()
    child.stdout.read()
    child.wait(60)
    return time.monotonic() - sent


@pytest.mark.slow
def test_twenty_kills_change_no_bit_of_weights_and_history(given, fingerprint, tmp_path):
    assert f"epoch {EPOCHS}/{EPOCHS}" in given.train("whole")
    whole = fingerprint(tmp_path / "whole")
    dice, torn, seconds = random.Random(0), 0, []
    signals = [SIGNALS[count % 3] for count in range(KILLS)]
    dice.shuffle(signals)
    part = unfinished(tmp_path / "cut" / "checkpoint.pt")
    for count, number in enumerate(signals):
        child = given.start("cut")
        killed = number == signal.SIGKILL
        seconds.append(kill(child, number, part if killed and count % 2 else None, dice))
        # A signal that comes before the first step finds nothing to save, and ends the process.
        assert child.returncode in ([-number] if killed else [1, 130, -number])
        assert not (tmp_path / "cut" / "weights.pt").exists()
        torn += part.exists()
        shutil.copytree(tmp_path / "cut", tmp_path / f"cut{count}")
    assert torn >= 1  # a checkpoint was being written
    assert max(seconds) < 30

    assert "goes on from" in given.train("cut")
    assert fingerprint(tmp_path / "cut") == whole
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == ["history.tsv", "weights.pt"]
    for count in range(KILLS):  # and had any of the kills been the only one that followed
        assert "goes on from" in given.train(f"cut{count}")
        assert fingerprint(tmp_path / f"cut{count}") == whole, f"kill {count}: {signals[count]}"

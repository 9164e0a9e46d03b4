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

from tests.conftest import files_in

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
        said, _ = (child := self.start(out)).communicate()
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
    settings = {"adapter": "brats", "root": "nowhere", "classes": ["box"]}
    settings["missing"] = {"group": "LGG", "classes": ["box"]}
    settings |= {"folds": {"count": 2, "method": "modulo"}}
    settings |= {"preprocessing": {"spacing": [1, 1, 1], "size": [8, 8, 4]}}
    settings |= {"network": NETWORK, "training": TRAINING}
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(settings))
    return Given(tmp_path)


def half_written(folder: Path) -> list[Path]:
    """Checkpoints that were being written."""
    return list(folder.glob(".*.part.checkpoint.pt"))


def kill(child: subprocess.Popen, number: int, cut: Path | None, dice: random.Random) -> None:
    """Let a training go on for up to two epochs, and kill it.

    Args:
        child: The training; it has just been started.
        number: The signal.
        cut: Kill while a checkpoint is half written in this folder; None at any moment.
        dice: Decides on the moment.
    """
    epochs = dice.randrange(2)
    while epochs >= 0:  # the first line comes before the first step
        line = child.stdout.readline()
        assert line, "the training ended before it was killed"
        epochs -= line.startswith(("epoch ", "dataset "))
    time.sleep(dice.uniform(0, 0.1))
    while cut and not half_written(cut):
        assert child.poll() is None
    child.send_signal(number)
    child.stdout.read()
    child.wait()


@pytest.mark.slow
def test_twenty_kills_change_no_bit_of_weights_and_history(given, fingerprint, tmp_path):
    assert f"epoch {EPOCHS}/{EPOCHS}" in given.train("whole")
    whole = fingerprint(tmp_path / "whole")
    dice, torn, cut = random.Random(0), 0, tmp_path / "cut"
    signals = [SIGNALS[count % 3] for count in range(KILLS)]
    dice.shuffle(signals)
    for count, number in enumerate(signals):
        child = given.start("cut")
        killed = number == signal.SIGKILL
        kill(child, number, cut if killed and count % 2 else None, dice)
        # A signal that comes before the first step finds nothing to save, and ends the process.
        assert child.returncode in ([-number] if killed else [1, 130, -number])
        assert not (tmp_path / "cut" / "weights.pt").exists()
        torn += bool(half_written(cut))
        shutil.copytree(tmp_path / "cut", tmp_path / f"cut{count}")
    assert torn >= 1  # a checkpoint was being written

    assert "resumes from" in given.train("cut")
    assert fingerprint(tmp_path / "cut") == whole
    assert files_in(tmp_path / "cut") == ["history.tsv", "weights.pt"]
    for count in range(KILLS):  # and had any of the kills been the only one that followed
        assert "resumes from" in given.train(f"cut{count}")
        assert fingerprint(tmp_path / f"cut{count}") == whole, f"kill {count}: {signals[count]}"

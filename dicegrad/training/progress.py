"""Progress of a training run in numbers, for a log or a terminal to show."""

import re
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from dicegrad.training.history import Row

_RECENT = 10  # epochs from which the time left is estimated


@dataclass(frozen=True)
class Progress:
    """Where a training run stands after an epoch; as text, one line of a log.

    Attributes:
        row: What the epoch adds to `history.tsv`.
        epochs: How many there are at most.
        seconds: Duration of the epoch, validation included.
        speed: Training cases per second of it.
        left: Seconds until all epochs are done.
        early: Whether training may stop before that, so that `left` is an upper bound.
        memory: Most bytes that were in use at once: on a GPU those that torch has allocated,
            elsewhere those of the process.
    """

    row: Row
    epochs: int
    seconds: float
    speed: float
    left: float
    early: bool
    memory: int

    def words(self) -> dict[str, str]:
        """What to show, by name."""
        row = self.row
        dice = {
            f"DSC {key.removeprefix('dsc_')}": f"{value:.3f}"
            for key, value in row.items()
            if key.startswith("dsc_")
        }
        return {
            "epoch": f"{row['epoch']:.0f}/{self.epochs}",
            "loss": f"{row['train_loss']:.4f}",
            "val loss": f"{row['val_loss']:.4f}",
            **dice,
            "lr": f"{row['learning_rate']:.2g}",
            "cases/s": f"{self.speed:.3g}" if self.speed < 100 else f"{self.speed:.0f}",
            "memory": f"{self.memory / 1e9:.2f} GB",
            "left": self.time_left(),
        }

    def time_left(self) -> str:
        """Such as `at most 1:02:03`."""
        minutes, seconds = divmod(round(self.left), 60)
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}:{minutes:02}:{seconds:02}"
        return f"at most {text}" if self.early and self.left else text

    def __str__(self) -> str:
        return "  ".join(f"{name} {value}" for name, value in self.words().items())


class Stopwatch:
    """How long epochs take; the time before an interruption counts too."""

    def __init__(self) -> None:
        self.epochs: list[float] = []  # seconds of each finished epoch
        self._before, self._started = 0.0, time.monotonic()

    def start(self) -> None:
        """An epoch begins, or is resumed."""
        self._started = time.monotonic()

    def stop(self) -> float:
        """An epoch is over; its seconds."""
        self.epochs.append(self._so_far())
        self._before, self._started = 0.0, time.monotonic()
        return self.epochs[-1]

    def left(self, epochs: int) -> float:
        """Seconds that this many more epochs take at the speed of the last ones."""
        recent = self.epochs[-_RECENT:]
        return epochs * sum(recent) / len(recent)

    def state(self) -> list[float]:
        """Seconds of each epoch, the unfinished one last."""
        return [*self.epochs, self._so_far()]

    def restore(self, state: list[float]) -> None:
        """Continue from a saved state."""
        *self.epochs, self._before = state

    def _so_far(self) -> float:
        return self._before + time.monotonic() - self._started


def peak_memory(device: torch.device) -> int:
    """Most bytes in use at once so far, on a GPU or in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Linux counts the peak of the process that started this one into ru_maxrss; VmHWM is our own.
    if status := re.search(r"VmHWM:\s+(\d+) kB", _status()):
        return 1024 * int(status[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _status() -> str:
    """What Linux says of this process; nothing on other systems."""
    try:
        return Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

"""How wide a network and how long a training run this machine affords, from timed steps."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dicegrad.planning.fingerprint import Fingerprint
from dicegrad.planning.grids import GridPlan, network_block
from dicegrad.planning.memory import step_memory
from dicegrad.planning.pace import Pace, time_step
from dicegrad.training.network import NetworkSettings

WIDTHS = (8, 12, 16, 24, 32)


@dataclass(frozen=True)
class Preset:
    """What a user is willing to wait for.

    Attributes:
        minutes: Of the whole study, from raw files to report; 0 is as long as it takes.
        most_voxels: Of the grid.
        steps: Optimiser steps that a training run should have; a narrower network is taken rather
            than fewer.
        least_steps: A coarser grid is taken rather than fewer, and more time if that is not enough.
        most_steps: More are of no use.
        folds: How many of the folds are run.
        fold_count: How many there are.
        rate: Highest learning rate.
        brief: Whether the table keeps to the rows that matter most.
    """

    minutes: float
    most_voxels: int
    steps: int
    least_steps: int
    most_steps: int
    folds: int
    fold_count: int
    rate: float
    brief: bool = False


PRESETS: Mapping[str, Preset] = {
    "minutes": Preset(7, 150_000, 400, 150, 4_000, 1, 5, 2e-3, brief=True),
    "hour": Preset(50, 300_000, 2_500, 800, 12_000, 1, 5, 1e-3),
    "full": Preset(0, 4_000_000, 20_000, 20_000, 20_000, 5, 5, 1e-3),
}


@dataclass(frozen=True)
class Training:
    """What a training run is to be.

    Attributes:
        width: Features of the finest level.
        batch_size: Cases in a batch.
        epochs: Of all training cases.
        steps: Optimiser steps in all.
        affordable: Steps that fit the time.
        pace: As timed.
        seconds: Of one training run.
        memory: Bytes that a step needs, about.
    """

    width: int
    batch_size: int
    epochs: int
    steps: int
    affordable: float
    pace: Pace
    seconds: float
    memory: float


def memory_of(grid: GridPlan, width: int, channels: int, classes: int, batch_size: int) -> float:
    """Bytes that a training step needs, about."""
    network = NetworkSettings.from_dict(network_block(grid, width), channels, classes)
    return step_memory(network, grid.size, batch_size)


@dataclass(frozen=True)
class Means:
    """What a training run has to do with.

    Attributes:
        known: The data set.
        grid: Of the network.
        preset: What the user is willing to wait for.
        seconds: For one training run; 0 is as long as its steps take.
        fold_count: How many folds there are.
        memory: Bytes that one training run may take.
        augmentation: Block of the settings.
        validation: Share of the training subjects that validation looks at; 0 is the held-out fold.
    """

    known: Fingerprint
    grid: GridPlan
    preset: Preset
    seconds: float
    fold_count: int
    memory: float
    augmentation: Mapping[str, Any]
    validation: float = 0.0

    @property
    def held_out(self) -> int:
        """Cases of a fold."""
        return max(len(self.known.facts) // self.fold_count, 1)

    @property
    def validation_cases(self) -> int:
        """Cases of a fold, or those of the other folds that are set aside."""
        others = len(self.known.facts) - self.held_out
        return max(round(self.validation * others), 1) if self.validation else self.held_out

    @property
    def training_cases(self) -> int:
        """Those of the other folds that are learnt from."""
        others = len(self.known.facts) - self.held_out
        return max(others - (self.validation_cases if self.validation else 0), 1)

    def batch_size(self, width: int) -> int:
        """Two cases in a batch, or one, if that is all that fits the memory; 0 if that does not."""
        channels, classes = len(self.known.adapter.channels), len(self.known.classes)
        sizes = (2, 1)
        fits = (b for b in sizes if memory_of(self.grid, width, channels, classes, b) < self.memory)
        return next(fits, 0)


def plan_training(
    means: Means, device: str = "cpu", report: Callable[[str], None] = lambda line: None
) -> Training | None:
    """The widest network that gets the preset's steps in the time, and how many epochs then fit.

    Args:
        means: What it has to do with.
        device: `cpu` or `cuda`.
        report: Takes a line on each width that was timed.

    Returns:
        None where no width fits the memory.
    """
    best = None
    for width in WIDTHS:
        if not means.batch_size(width):
            break
        training = _of_width(means, width, device)
        report(
            f"width {width}: {training.pace.train:.2f} s a case, {training.epochs} epochs, "
            f"{training.steps} steps"
        )
        enough = training.affordable >= means.preset.steps
        if enough or best is None:
            best = training
        if not enough:
            break
    return best


def _of_width(means: Means, width: int, device: str) -> Training:
    """The training run of a network of that width, as steps on this machine tell."""
    grid, preset, batch_size = means.grid, means.preset, means.batch_size(width)
    channels, classes = len(means.known.adapter.channels), means.known.classes
    network = NetworkSettings.from_dict(network_block(grid, width), channels, len(classes))
    pace = time_step(grid.size, network, classes, means.augmentation, batch_size, device)
    steps = -(-means.training_cases // batch_size)
    seconds = pace.train * means.training_cases + pace.validate * means.validation_cases
    fit = int(means.seconds / seconds) if means.seconds else -(-preset.steps // steps)
    most, least = (-(-count // steps) for count in (preset.most_steps, preset.least_steps))
    epochs = max(min(fit, most), least)
    memory = memory_of(grid, width, channels, len(classes), batch_size)
    return Training(
        width=width,
        batch_size=batch_size,
        epochs=epochs,
        steps=epochs * steps,
        affordable=steps * means.seconds / seconds if means.seconds else math.inf,
        pace=pace,
        seconds=epochs * seconds,
        memory=memory,
    )

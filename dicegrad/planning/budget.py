"""How wide a network and how long a training run this machine affords, from timed steps."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dicegrad.planning.grids import GridPlan
from dicegrad.study.experiment import Experiment
from dicegrad.training.dataset import PreparedData
from dicegrad.training.network import NetworkSettings
from dicegrad.training.numerics import numerics, settle
from dicegrad.training.objective import Wanted, make_objective
from dicegrad.training.run import Run, Split
from dicegrad.training.settings import TrainingSettings
from dicegrad.training.validation import validate

WIDTHS = (8, 12, 16, 24, 32)
_WIDEST = 256  # features at the bottom
_BYTES = 4
# Copies of a level's maps that wait for the backward pass, for each convolution: its input, and
# what normalisation and activation leave; measured with peak memory, and a half on top.
_COPIES = 4.5


@dataclass(frozen=True)
class Preset:
    """What a user is willing to wait for.

    Attributes:
        minutes: Of the whole study, from raw files to report; 0 is as long as it takes.
        most_voxels: Of the grid.
        steps: Optimiser steps that a training run should at least have; a narrower network is
            taken rather than fewer.
        folds: How many of the folds are run.
        fold_count: How many there are.
        rates: Highest learning rate.
        most_steps: More are of no use.
    """

    minutes: float
    most_voxels: int
    steps: int
    folds: int
    fold_count: int
    rate: float
    most_steps: int


PRESETS: Mapping[str, Preset] = {
    "minutes": Preset(9, 150_000, 400, 1, 5, 2e-3, 4_000),
    "hour": Preset(55, 500_000, 1_500, 1, 5, 1e-3, 12_000),
    "full": Preset(0, 4_000_000, 20_000, 5, 5, 1e-3, 20_000),
}


@dataclass(frozen=True)
class Pace:
    """Seconds that one case takes on this machine, on one thread or on the GPU.

    Attributes:
        train: In a training step.
        validate: In a validation.
    """

    train: float
    validate: float


@dataclass(frozen=True)
class Training:
    """What a training run is to be.

    Attributes:
        width: Features of the finest level.
        batch_size: Cases in a batch.
        epochs: Of all training cases.
        steps: Optimiser steps in all.
        pace: As timed.
        seconds: Of one training run.
        memory: Bytes that a step needs, about.
    """

    width: int
    batch_size: int
    epochs: int
    steps: int
    pace: Pace
    seconds: float
    memory: float


def network_block(grid: GridPlan, width: int) -> dict[str, Any]:
    """The block `network` of a dataset file: features double from level to level."""
    encoder = [[min(width * 2**level, _WIDEST)] * 2 for level in range(len(grid.pools) + 1)]
    return {
        "encoder": encoder,
        "decoder": [list(block) for block in encoder[:-1]],
        "kernels": [list(kernel) for kernel in grid.kernels],
        "pools": [list(pool) for pool in grid.pools],
    }


def memory_of(grid: GridPlan, width: int, channels: int, classes: int, batch_size: int) -> float:
    """Bytes that a training step needs, about."""
    voxels, total = float(grid.voxels), 0.0
    for level in range(len(grid.pools) + 1):
        features = min(width * 2**level, _WIDEST)
        blocks = 1 if level == len(grid.pools) else 2
        # The second block of a level takes skip and upsampled maps, three times the features.
        total += voxels * features * (2 * blocks + (3 if blocks == 2 else 0))
        if level < len(grid.pools):
            x, y, z = grid.pools[level]
            voxels /= x * y * z
    ends = grid.voxels * (channels + 4 * (classes + 1))
    return batch_size * _BYTES * (_COPIES / 2 * total + ends)


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def time_step(
    grid: GridPlan,
    width: int,
    channels: int,
    classes: Sequence[str],
    augmentation: Mapping[str, Any],
    batch_size: int,
    device: str,
    repeats: int = 2,
) -> Pace:
    """Time real training steps and a real validation of random cases.

    On the CPU the time of the process on one thread is taken, which does not depend on what else
    the machine does.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (batch_size, channels, *grid.size)
    images = torch.randn(shape, generator=generator).half().to(device)
    labels = torch.zeros((batch_size, *grid.size), dtype=torch.uint8)
    x, y, z = (max(length // 2, 1) for length in grid.size)
    for k in range(len(classes)):
        labels[:, k::3, :y, :z][:, : max(x // 3, 1)] = k + 1
    names = tuple(map(str, range(batch_size)))
    data = PreparedData(images, labels.to(device), names, tuple(classes))
    every = tuple(range(batch_size))
    settings = TrainingSettings.from_dict(
        {"epochs": 1, "passes": repeats + 1, "augmentation": augmentation}
    )
    settings = settle(settings, data.device)
    network = NetworkSettings.from_dict(network_block(grid, width), channels, len(classes))
    experiment = Experiment("benchmark", "full", "dice_ce", "I", "1e-7", batch_size)
    objective = make_objective(Wanted(experiment, 1e-7, tuple(classes), (), grid.voxels))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with numerics(settings, data.device):
            run = Run(data, Split(every, every), network, settings, objective, batch_size, 0)
            steps, clock = run.steps(), _clock(device)
            next(steps)  # memory is fetched and kernels are chosen
            start = clock()
            for _ in range(repeats):
                next(steps)
            trained = clock()
            validate(run.predict, data, every, objective, batch_size, settings.precision)
            validated = clock()
    finally:
        torch.set_num_threads(threads)
    return Pace((trained - start) / repeats / batch_size, (validated - trained) / batch_size)


def _clock(device: str) -> Callable[[], float]:
    if device == "cpu":
        return time.process_time

    def finished() -> float:
        torch.cuda.synchronize()
        return time.monotonic()

    return finished


def plan_training(
    grid: GridPlan,
    preset: Preset,
    seconds: float,
    training_cases: int,
    validation_cases: int,
    memory: float,
    channels: int,
    classes: Sequence[str],
    augmentation: Mapping[str, Any],
    device: str,
    report: Callable[[str], None] = lambda line: None,
) -> Training | None:
    """The widest network that gets the preset's steps in the time, and how many epochs then fit.

    Args:
        grid: Of the network.
        preset: What the user is willing to wait for.
        seconds: For one training run; 0 is as long as its steps take.
        training_cases: Of a fold.
        validation_cases: Of a fold.
        memory: Bytes that one training run may take.
        channels: Of the images.
        classes: Names.
        augmentation: Block of the settings.
        device: `cpu` or `cuda`.
        report: Takes a line on each width that was timed.

    Returns:
        None where no width fits the memory.
    """
    best = None
    for width in WIDTHS:
        sizes = [b for b in (2, 1) if memory_of(grid, width, channels, len(classes), b) <= memory]
        if not sizes:
            break
        batch = sizes[0]
        pace = time_step(grid, width, channels, classes, augmentation, batch, device)
        steps = -(-training_cases // batch)
        epoch = pace.train * training_cases + pace.validate * validation_cases
        wanted = -(-preset.steps // steps)
        most = max(-(-preset.most_steps // steps), 1)
        epochs = min(int(seconds / epoch), most) if seconds else wanted
        report(f"width {width}: {pace.train:.2f} s a case, {epochs} epochs of {steps} steps")
        if best is not None and epochs < wanted:
            break
        epochs = max(epochs, 1)
        needs = memory_of(grid, width, channels, len(classes), batch)
        best = Training(width, batch, epochs, epochs * steps, pace, epochs * epoch, needs)
        if epochs < wanted:
            break
    return best

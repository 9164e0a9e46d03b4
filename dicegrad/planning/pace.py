"""How fast this machine trains: real steps of a network on random cases."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from dicegrad.study.experiment import Experiment, epsilon_number
from dicegrad.study.losses import NONE
from dicegrad.training.dataset import PreparedData
from dicegrad.training.network import NetworkSettings
from dicegrad.training.numerics import numerics, settle
from dicegrad.training.objective import Wanted, make_objective
from dicegrad.training.run import Run, Split
from dicegrad.training.settings import TrainingSettings
from dicegrad.training.validation import validate

_REPEATS = 2
_LONG = 6.0  # seconds of a step, from where on a second one is not waited for


@dataclass(frozen=True)
class Pace:
    """Seconds that one case takes on this machine, on one thread or on the GPU.

    Attributes:
        train: In a training step.
        validate: In a validation.
    """

    train: float
    validate: float


def time_step(
    size: Sequence[int],
    network: NetworkSettings,
    classes: Sequence[str],
    augmentation: Mapping[str, Any],
    batch_size: int,
    device: str,
    experiment: Experiment | None = None,
    threads: int = 1,
) -> Pace:
    """Time training steps and a validation.

    On the CPU the time of the process on one thread is taken, which does not depend on what else
    the machine does; of several threads, the time that passes.

    Args:
        size: Of the grid, voxels along x, y, z.
        network: Its settings.
        classes: Names.
        augmentation: Block of the settings.
        batch_size: Cases in a batch.
        device: `cpu` or `cuda`.
        experiment: Whose loss to take; Dice with cross-entropy, if it is not given.
        threads: Of torch on a CPU.
    """
    overlapping = bool(network.overlapping)
    data = _random_cases((batch_size, network.in_channels, *size), classes, device, overlapping)
    passes = {"epochs": 1, "passes": _REPEATS + 1, "augmentation": augmentation}
    settings = settle(TrainingSettings.from_dict(passes), data.device)
    row = experiment or Experiment("benchmark", "full", "dice_ce", "I", "1e-7", batch_size)
    epsilon = None if row.epsilon == NONE else epsilon_number(row.epsilon)
    objective = make_objective(Wanted(row, epsilon, tuple(classes), overlapping=overlapping))
    every, clock = tuple(range(batch_size)), _clock(device, threads)
    with numerics(settings, data.device), _threads(threads):
        run = Run(data, Split(every, every), network, settings, objective, batch_size, 0)
        times = [clock()]
        for _ in run.steps():
            times.append(clock())
            if times[-1] - times[0] > _LONG:
                break
        validate(run.predict, data, every, objective, batch_size, settings.precision)
        validated = clock() - times[-1]
    # In the first step memory is fetched and kernels are chosen.
    first = 1 if len(times) > 2 else 0
    cases = batch_size * (len(times) - 1 - first)
    return Pace((times[-1] - times[first]) / cases, validated / batch_size)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _random_cases(
    shape: Sequence[int], classes: Sequence[str], device: str, overlapping: bool
) -> PreparedData:
    """A batch of (B, C, X, Y, Z) noise; each class is a slab in the middle of every case."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(tuple(shape), generator=generator).half()
    batch, _, x, y, z = shape
    labels = torch.zeros((batch, x, y, z), dtype=torch.uint8)
    for k in range(len(classes)):
        labels[:, k % x] = 2**k if overlapping else k + 1
    names = tuple(map(str, range(batch)))
    return PreparedData(
        images.to(device), labels.to(device), names, tuple(classes), overlapping=overlapping
    )


def _clock(device: str, threads: int) -> Callable[[], float]:
    if device == "cpu":
        return time.process_time if threads == 1 else time.monotonic

    def finished() -> float:
        torch.cuda.synchronize()
        return time.monotonic()

    return finished

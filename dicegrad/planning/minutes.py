"""How long the training runs of a study will take here, from steps that are timed."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dicegrad.planning.look import Data
from dicegrad.planning.memory import step_memory
from dicegrad.planning.pace import Pace, time_step
from dicegrad.study import Dataset, Experiment
from dicegrad.study.dataset_checks import NNUNET
from dicegrad.study.labeling import FULL
from dicegrad.study.losses import AS_EMPTY
from dicegrad.training.network import NetworkSettings
from dicegrad.training.settings import TrainingSettings

JOB = 6.0  # seconds until a job has started
REPORT = 45.0  # seconds for tables and figures
_MOST = 30.0  # seconds of timing, from where on a row takes the pace of another


@dataclass(frozen=True)
class Rows:
    """Training runs of one row of the table that are still to be done.

    Attributes:
        experiment: The row.
        dataset: Its settings.
        data: Its cases.
        folds: The fold of each run.
    """

    experiment: Experiment
    dataset: Dataset
    data: Data
    folds: tuple[int, ...]

    @property
    def network(self) -> NetworkSettings:
        """The network of the row."""
        channels, classes = len(self.data.channels), len(self.dataset.classes)
        block = self.dataset.block("network")
        return NetworkSettings.from_dict(block, channels, classes, self.data.overlapping)

    @property
    def size(self) -> tuple[int, ...]:
        """Of the grid, voxels along x, y, z."""
        return tuple(self.dataset.block("preprocessing")["size"])

    @property
    def training(self) -> TrainingSettings:
        """How the row is trained."""
        return TrainingSettings.from_dict(self.dataset.block("training"))

    @property
    def memory(self) -> float:
        """Bytes that a training step needs, about."""
        return step_memory(self.network, self.size, self.experiment.batch_size)

    @property
    def key(self) -> tuple[object, ...]:
        """What the time of a step depends on."""
        row = self.experiment
        return self.dataset.name, row.batch_size, row.loss

    def seconds(self, pace: Pace, fold: int) -> float:
        """Of one training run that goes to its last epoch."""
        sampling = self.dataset.sampling_of(self.experiment)
        out, aside = self.data.held_out(fold), self.data.aside(fold, self.training.validation)
        looked_at = int(aside.sum() or out.sum())
        groups = [
            self.data.cases[number].group for number in np.flatnonzero(~out & ~aside).tolist()
        ]
        listed = sum(sampling.get(group, 1) for group in groups) * self.training.passes
        return self.training.epochs * (listed * pace.train + looked_at * pace.validate)


def rows_to_do(
    experiments: Iterable[tuple[Experiment, Sequence[str]]], dataset: Dataset, data: Data
) -> list[Rows]:
    """The rows of a data set whose weights are not all there.

    Args:
        experiments: Each with the `weights.pt` of all its training runs.
        dataset: Its settings.
        data: Its cases.
    """
    found = []
    for experiment, weights in experiments:
        left = [Path(each) for each in weights if not Path(each).exists()]
        folds = tuple(int(each.parent.name.partition("~")[2]) for each in left)
        if experiment.dataset == dataset.name and folds and dataset.engine != NNUNET:
            found.append(Rows(experiment, dataset, data, folds))
    return found


@dataclass(frozen=True)
class Estimate:
    """How long a study takes here.

    Attributes:
        runs: Training runs.
        parallel: How many at a time.
        training: Minutes until the last one has ended, if each goes to its last epoch.
        rest: Minutes of predictions, scores, tables and figures.
        early: Whether some may stop before their last epoch.
        seconds: Of the shortest and the longest training run.
    """

    runs: int
    parallel: int
    training: float
    rest: float
    early: bool
    seconds: tuple[float, float]

    def lines(self) -> list[str]:
        """In words."""
        low, high = (duration(each) for each in self.seconds)
        each = low if low == high else f"{low} to {high}"
        most = "at most " if self.early else "about "
        return [
            f"{self.runs} training run{'s' * (self.runs != 1)} of {most}{each}, "
            f"{self.parallel} at a time: {most}{duration(60 * self.training)}; then about "
            f"{duration(60 * self.rest)} for predictions, scores and figures"
        ]


def estimate(
    rows: Sequence[Rows],
    cores: int,
    threads: int = 1,
    device: str = "cpu",
    time_it: Callable[[Rows, str, int], Pace] | None = None,
) -> Estimate | None:
    """Time the first steps of each kind of row, and add up.

    Args:
        rows: From `rows_to_do`.
        cores: That Snakemake may use.
        threads: Of a training run.
        device: `cpu` or `cuda`.
        time_it: Times a row; by default `time_rows`.

    Returns:
        None where nothing is to be trained.
    """
    if not rows:
        return None
    parallel = max(cores // threads, 1) if device == "cpu" else 1
    paces = _paces(rows, device, threads, time_it or time_rows)
    seconds, judged = [], []
    for each in rows:
        pace = paces[each.key]
        for fold in each.folds:
            seconds.append(each.seconds(pace, fold))
            held_out = int(each.data.held_out(fold).sum())
            judged.append(3 * JOB + 3 * held_out * pace.validate)
    return Estimate(
        runs=len(seconds),
        parallel=min(parallel, len(seconds)),
        training=_until_last(seconds, parallel) / 60,
        rest=(sum(judged) / parallel + REPORT) / 60,
        early=any(0 < each.training.stop_patience < each.training.epochs for each in rows),
        seconds=(min(seconds), max(seconds)),
    )


def time_rows(rows: Rows, device: str, threads: int) -> Pace:
    """Time steps of the row's own network, grid, batch and loss."""
    row = rows.experiment
    # What a step costs does not depend on which maps are annotated, nor on the number of epsilon.
    epsilon = "1e-7" if row.multiple is not None else row.epsilon
    plain = replace(row, labeling=FULL, unannotated=AS_EMPTY, epsilon=epsilon)
    augmentation = rows.dataset.block("training").get("augmentation", {})
    names = rows.dataset.classes
    return time_step(
        rows.size, rows.network, names, augmentation, row.batch_size, device, plain, threads
    )


def _paces(
    rows: Sequence[Rows], device: str, threads: int, time_it: Callable[[Rows, str, int], Pace]
) -> dict[tuple[object, ...], Pace]:
    """The pace of each kind of row; after half a minute, that of another loss on the same data."""
    import time

    began = time.monotonic()
    paces: dict[tuple[object, ...], Pace] = {}
    for each in rows:
        if each.key in paces:
            continue
        alike = (pace for key, pace in paces.items() if key[:2] == each.key[:2])
        known = next(alike, None) if time.monotonic() - began > _MOST else None
        paces[each.key] = known or time_it(each, device, threads)
    return paces


def _until_last(seconds: Sequence[float], parallel: int) -> float:
    """When the last of some jobs has ended, if each starts as soon as one before has ended."""
    free = [0.0] * parallel
    for each in seconds:
        heapq.heappush(free, heapq.heappop(free) + JOB + each)
    return max(free)


def duration(seconds: float) -> str:
    """Such as `40 seconds`, `7 minutes` or `3.5 hours`."""
    if seconds < 90:
        return f"{seconds:.0f} seconds" if seconds > 1.5 else "a second"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"

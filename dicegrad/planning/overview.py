"""What is to be known of a study before it trains: its data, the memory and the minutes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dicegrad.machine import free_memory, load
from dicegrad.planning.look import Data, Look, look
from dicegrad.planning.minutes import Estimate, estimate, rows_to_do
from dicegrad.study import Dataset, Experiment

_BUSY = 1.5  # processes for each core, from where on an estimate is too low
CLUSTER = "the minutes are not estimated, since the training runs are jobs of a cluster"


@dataclass(frozen=True)
class Machine:
    """What training runs may use.

    Attributes:
        cores: Of Snakemake.
        threads: Of a training run.
        device: `cpu` or `cuda`; empty where it is not this machine that trains.
    """

    cores: int
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class Overview:
    """A study before it trains.

    Attributes:
        looks: Of each data set.
        memory: Data set -> bytes that a training step needs, about, of its largest batch.
        free: Bytes of memory that are free.
        estimate: How long it takes; None where that is not known.
        unknown: Why not; empty where nothing is to be trained.
        load: Processes that want to run here, for each core.
    """

    looks: tuple[Look, ...]
    memory: Mapping[str, float]
    free: float
    estimate: Estimate | None
    unknown: str = ""
    load: float = 0.0

    def lines(self) -> list[str]:
        """In words."""
        told = [line for each in self.looks for line in each.lines()]
        for name, needed in self.memory.items():
            told.append(f"{name}: a training step needs about {_gb(needed)} of memory")
        together = max(self.memory.values(), default=0.0) * (self._parallel or 1)
        if self.free and together > self.free:
            told.append(
                f"! {self._parallel} training runs at a time need about "
                f"{_gb(together)}, and {_gb(self.free)} are free: give snakemake fewer cores, or "
                "take a smaller batch_size or network"
            )
        return [*told, *self.minutes()]

    def minutes(self) -> list[str]:
        """How long it takes, in words, or why that is not known; none if nothing is to be done."""
        told = self.estimate.lines() if self.estimate else []
        if told and self.load > _BUSY:
            told.append(
                f"! other programs are running here, {self.load:.0f} for each core: expect it to "
                "take about that many times as long while they run"
            )
        return told + [self.unknown] * bool(self.unknown)

    def to_json(self) -> dict[str, Any]:
        """Plain values; memory in bytes, time in minutes and seconds."""
        return {
            "datasets": [each.to_json() for each in self.looks],
            "memory_of_a_step": dict(self.memory),
            "estimate": asdict(self.estimate) if self.estimate else None,
        }

    @property
    def _parallel(self) -> int:
        return self.estimate.parallel if self.estimate else 1


def overview(
    data: Sequence[tuple[Dataset, Data]],
    experiments: Sequence[tuple[Experiment, Sequence[str]]],
    folds: Mapping[str, Sequence[int]],
    machine: Machine,
) -> Overview:
    """Look at the data of a study, and time its first steps.

    Args:
        data: Each data set with its cases.
        experiments: The rows of the table, each with the `weights.pt` of all its training runs;
            those that are there are not counted.
        folds: Data set -> folds that the study runs.
        machine: What training runs may use.

    Raises:
        InputError: A labeling cannot be applied to the data.
    """
    looks, rows = [], []
    for dataset, cases in data:
        names = dict.fromkeys(row.labeling for row, _ in experiments if row.dataset == dataset.name)
        labelings = [dataset.labeling(name) for name in names]
        looks.append(look(cases, dataset, labelings, folds[dataset.name]))
        rows += rows_to_do(experiments, dataset, cases)
    memory = {each.dataset.name: 0.0 for each in rows}
    for each in rows:
        memory[each.dataset.name] = max(memory[each.dataset.name], each.memory)
    free = free_memory(machine.device) if machine.device else 0.0
    before = load() if machine.device == "cpu" else 0.0
    found, unknown = None, "" if machine.device or not rows else CLUSTER
    if machine.device and max(memory.values(), default=0.0) > free:
        unknown = f"the minutes are not estimated, since only {_gb(free)} of memory are free"
    elif machine.device:
        found = estimate(rows, machine.cores, machine.threads, machine.device)
    return Overview(tuple(looks), memory, free, found, unknown, before)


def pairs(rows: Iterable[Mapping[str, Any]]) -> list[tuple[Experiment, Sequence[str]]]:
    """Experiments and their weights of plain values, as a rule hands them on."""
    return [(Experiment.from_path(each["path"]), each["weights"]) for each in rows]


def _gb(count: float) -> str:
    return f"{max(count / 1e9, 0.1):.1f} GB"

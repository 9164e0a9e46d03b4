"""From a folder to a plan: everything that the three files of a study say, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dicegrad.errors import InputError
from dicegrad.machine import cores, free_memory
from dicegrad.planning.budget import PRESETS, Means, Preset, Training, plan_training
from dicegrad.planning.fingerprint import Fingerprint
from dicegrad.planning.grids import THICK, GridPlan
from dicegrad.planning.minutes import JOB, REPORT
from dicegrad.planning.on_grid import OnGrid, settle_grid
from dicegrad.planning.rows import Rows, propose_rows

SPLITS = "splits_final.json"
ASIDE = 0.1  # of the training subjects, for validation
FEWEST_SUBJECTS = 20  # to learn from, below which none is set aside for validation
_GOOD = 0.9  # mean DSC that a grid keeps of every class, from where on it may be coarser
_FEWEST = 20_000  # voxels of a grid
_SHARE = 0.7  # of the memory that is free


@dataclass(frozen=True)
class Plan:
    """What is written, and why.

    Attributes:
        known: The data set.
        preset: Its name.
        on_grid: The grid of the network, and what it keeps of the labels.
        augmentation: Block of the dataset file.
        training: Widths, epochs, batch size and the time they take.
        rows: Of the table.
        folds: Block of the dataset file.
        run: The folds that are run.
        parallel: Training runs at a time.
        minutes: Of the whole study, estimated.
        validation: Share of the training subjects that validation looks at; 0 where they are too
            few to set some aside.
    """

    known: Fingerprint
    preset: str
    on_grid: OnGrid
    augmentation: dict[str, Any]
    training: Training
    rows: Rows
    folds: dict[str, Any]
    run: list[int]
    parallel: int
    minutes: float
    validation: float = 0.0


def propose(
    known: Fingerprint,
    preset: str,
    memory: float | None = None,
    device: str = "cpu",
    report: Callable[[str], None] = lambda line: None,
) -> Plan:
    """Plan a study of a data set.

    Args:
        known: The data set.
        preset: A key of `PRESETS`.
        memory: Bytes that the training runs may take together; by default a share of what is free.
        device: `cpu` or `cuda`.
        report: Takes a line on what is being done.

    Raises:
        InputError: There are too few subjects for two folds, or the memory is too small.
    """
    wanted = PRESETS[preset]
    rows, folds = propose_rows(known, wanted.brief), _folds(known, wanted)
    run = list(range(min(wanted.folds, folds["count"])))
    runs = rows.count * len(run)
    parallel = min(cores(), runs) if device == "cpu" else 1
    in_turn = -(-runs // parallel)
    aside = _validation(known, folds["count"])
    share = (memory or _SHARE * free_memory(device)) / parallel
    most = float(wanted.most_voxels)
    while most:
        on_grid = settle_grid(known, most, report)
        augmentation = _augmentation(on_grid.grid)
        overhead = _overhead(known, runs, folds["count"], on_grid.seconds, parallel)
        seconds = max((60 * wanted.minutes - overhead) / in_turn, 30) if wanted.minutes else 0.0
        means = Means(
            known, on_grid.grid, wanted, seconds, folds["count"], share, augmentation, aside
        )
        training = plan_training(means, device, report)
        most = _smaller(on_grid, training, wanted)
    if training is None:
        raise _too_little(share, parallel, on_grid)
    minutes = (in_turn * training.seconds + overhead) / 60
    return Plan(
        known, preset, on_grid, augmentation, training, rows, folds, run, parallel, minutes, aside
    )


def training_subjects(known: Fingerprint, fold_count: int) -> int:
    """How many subjects a fold leaves to learn from, at least."""
    return len(known.subjects) - -(-len(known.subjects) // fold_count)


def _validation(known: Fingerprint, fold_count: int) -> float:
    """The share of the training subjects to validate on; none where they are few.

    The training runs that are proposed go to their end whatever validation says: a tenth is enough
    to see how they fare, and costs little of what is learnt from.
    """
    return ASIDE if training_subjects(known, fold_count) >= FEWEST_SUBJECTS else 0.0


def _too_little(share: float, parallel: int, on_grid: OnGrid) -> InputError:
    """What to say where not even the smallest grid fits the memory."""
    size = " x ".join(map(str, on_grid.grid.size))
    return InputError(
        f"--memory: {share * parallel / 1e9:.1g} GB for {parallel} training runs are not enough "
        f"for a grid of {size} voxels; give more"
    )


def _smaller(on_grid: OnGrid, training: Training | None, preset: Preset) -> float:
    """How many voxels a grid should have for the memory, and for the steps in the time.

    Returns:
        0 where the grid is to stay: it is good, or a coarser one would lose too much of the labels.
    """
    voxels = on_grid.grid.voxels
    if voxels <= _FEWEST:
        return 0.0
    if training is None:
        return voxels / 2
    if not preset.minutes or training.affordable >= preset.least_steps:
        return 0.0
    good = min(on_grid.keeps.values()) >= _GOOD
    return voxels * max(training.affordable / preset.least_steps, 0.6) if good else 0.0


def _folds(known: Fingerprint, preset: Preset) -> dict[str, Any]:
    """The block `folds`: the user's own splits, or folds as even as possible."""
    from dicegrad.preprocessing.folds import read_splits

    splits = known.root / SPLITS
    if splits.is_file():
        found = read_splits(splits, [each.case.case for each in known.facts])
        return {"count": max(found.values()) + 1, "method": "listed", "file": str(splits)}
    if len(known.subjects) < 2:
        raise InputError(
            f"root {known.root}: has {len(known.subjects)} subject; a study needs two at least"
        )
    return {"count": min(preset.fold_count, len(known.subjects)), "method": "balanced"}


def _augmentation(grid: GridPlan) -> dict[str, Any]:
    """Rotations in the planes whose voxels are alike, scaling, intensities; no mirroring.

    Left and right are not alike in every organ, and short training runs gain nothing by it.
    """
    apart = [mm >= THICK / 2 * min(grid.spacing) for mm in grid.spacing]
    around = [0.2, 0.2, 0.2]
    if any(apart):  # only about the axis along which voxels are longest
        longest = int(np.argmax(grid.spacing))
        around = [0.2 if axis == longest else 0.0 for axis in range(3)]
    return {
        "distribution": "uniform",
        "rotation": around,
        "scaling": [0.1, 0.1, 0.1],
        "intensity_shift": 0.1,
        "intensity_scale": 0.1,
        "noise": 0.05,
    }


def _overhead(
    known: Fingerprint, runs: int, fold_count: int, seconds: float, parallel: int
) -> float:
    """Seconds of everything but training: reading, resampling, predicting, scores, figures."""
    held_out = len(known.facts) / fold_count
    channels = len(known.adapter.channels)
    prepare = len(known.facts) * seconds * (1 + channels) / cores()
    judge = runs * held_out * seconds * 3 / parallel
    jobs = (8 + 3 * runs / parallel) * JOB
    return prepare + judge + jobs + REPORT

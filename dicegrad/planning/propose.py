"""From a folder to a plan: everything that the three files of a study say, and why."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dicegrad.data.adapter import Case
from dicegrad.errors import InputError
from dicegrad.planning.budget import PRESETS, Preset, Training, cores, plan_training
from dicegrad.planning.fingerprint import Fingerprint
from dicegrad.planning.grids import THICK, GridPlan, plan_grid
from dicegrad.planning.rows import Rows, propose_rows
from dicegrad.prediction.ceiling import Ceiling, dataset_ceiling
from dicegrad.preprocessing.settings import Preprocessing

SPLITS = "splits_final.json"
_MOST_CHECKED = 60  # cases that are brought to the grid and back
_KEPT = 0.85  # mean DSC of a class that a grid should keep, if it may have more voxels
_FINER = 8.0  # times the voxels of the preset that it may have for that
_JOB = 6.0  # seconds until a job has started
_REPORT = 45.0  # seconds for tables and figures
_SHARE = 0.7  # of the memory that is free


@dataclass(frozen=True)
class Plan:
    """What is written, and why.

    Attributes:
        known: The data set.
        preset: Its name.
        grid: Of the network.
        preprocessing: Block of the dataset file.
        ceilings: What the grid keeps of the labels.
        checked: Cases that were brought to the grid and back.
        augmentation: Block of the dataset file.
        training: Widths, epochs, batch size and the time they take.
        rows: Of the table.
        folds: Block of the dataset file.
        run: The folds that are run.
        parallel: Training runs at a time.
        minutes: Of the whole study, estimated.
    """

    known: Fingerprint
    preset: str
    grid: GridPlan
    preprocessing: dict[str, Any]
    ceilings: Sequence[Ceiling]
    checked: int
    augmentation: dict[str, Any]
    training: Training
    rows: Rows
    folds: dict[str, Any]
    run: list[int]
    parallel: int
    minutes: float


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
    rows, folds = propose_rows(known), _folds(known, wanted)
    run = list(range(min(wanted.folds, folds["count"])))
    runs = rows.count * len(run)
    parallel = min(cores(), runs) if device == "cpu" else 1
    share = (memory or _SHARE * free_memory(device)) / parallel
    grid, preprocessing, ceilings, checked, seconds = _settle_grid(known, wanted, report)
    augmentation = _augmentation(grid)
    overhead = _overhead(known, runs, folds["count"], seconds, parallel)
    in_turn = -(-runs // parallel)
    budget = (60 * wanted.minutes - overhead) / in_turn if wanted.minutes else 0.0
    held_out = max(len(known.facts) // folds["count"], 1)
    training = plan_training(
        grid,
        wanted,
        max(budget, 30.0) if wanted.minutes else 0.0,
        max(len(known.facts) - held_out, 1),
        held_out,
        share,
        len(known.adapter.channels),
        known.classes,
        augmentation,
        device,
        report,
    )
    if training is None:
        raise InputError(
            f"--memory: {share * parallel / 1e9:.1f} GB for {parallel} training runs are not "
            f"enough for a grid of {' x '.join(map(str, grid.size))} voxels; give more, or take "
            "--preset minutes"
        )
    minutes = (in_turn * training.seconds + overhead) / 60
    return Plan(
        known, preset, grid, preprocessing, ceilings, checked, augmentation, training, rows, folds,
        run, parallel, minutes,
    )  # fmt: skip


def free_memory(device: str) -> float:
    """Bytes of memory that are free now."""
    if device != "cpu":
        import torch

        return float(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found = next(line for line in lines if line.startswith("MemAvailable"))
        return 1024.0 * int(found.split()[1])
    except (OSError, StopIteration):  # not on Linux
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) / 2


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


def _settle_grid(
    known: Fingerprint, preset: Preset, report: Callable[[str], None]
) -> tuple[GridPlan, dict[str, Any], list[Ceiling], int, float]:
    """A grid that keeps the labels, with more voxels than the preset has if it must be."""
    import time

    most, cases = float(preset.most_voxels), _hardest(known)
    while True:
        grid = plan_grid(known, int(most))
        preprocessing = preprocessing_block(known, grid)
        settings = Preprocessing.from_dict(preprocessing)
        start = time.process_time()
        found = dataset_ceiling(cases, known.adapter, known.classes, settings)
        seconds = (time.process_time() - start) / len(cases)
        lost = any(each.kept.lost for each in found)
        means = [
            np.mean([each.dsc for each in found if each.kept.name == name])
            for name in known.classes
        ]
        size = " x ".join(map(str, grid.size))
        report(f"grid {size}: the labels keep a DSC of {min(means):.3f} at least")
        enough = min(means) >= _KEPT and not lost
        if enough or grid.coarser <= 1 or most >= _FINER * preset.most_voxels:
            break
        most *= 2
    if lost:
        preprocessing["allow_lost"] = True
    return grid, preprocessing, found, len(cases), seconds


def _hardest(known: Fingerprint) -> list[Case]:
    """The cases that reach furthest, those with the smallest structures, and some others."""
    if len(known.facts) <= _MOST_CHECKED:
        return [each.case for each in known.facts]
    chosen: dict[int, None] = {}
    reach = np.array([np.multiply(each.reach, each.spacing) for each in known.facts])
    for axis in range(3):
        chosen |= dict.fromkeys(np.argsort(-reach[:, axis])[:5].tolist())
    for k in range(len(known.classes)):
        volumes = np.where(known.filled[:, k], known.volumes[:, k], np.inf)
        chosen |= dict.fromkeys(np.argsort(volumes)[:3].tolist())
    left = [n for n in range(len(known.facts)) if n not in chosen]
    step = max(len(left) // max(_MOST_CHECKED - len(chosen), 1), 1)
    chosen |= dict.fromkeys(left[::step])
    return [known.facts[n].case for n in sorted(chosen)[: 2 * _MOST_CHECKED]]


def preprocessing_block(known: Fingerprint, grid: GridPlan) -> dict[str, Any]:
    """The block `preprocessing` of the dataset file."""
    block: dict[str, Any] = {
        "spacing": grid.written,
        "size": list(grid.size),
        "orientation": known.orientation,
        "crop": "snap",
        "label": "distance",
    }
    if known.ct and len(known.adapter.channels) == 1:
        (of,) = known.intensities
        low, high, mean, std = (float(f"{v:.4g}") for v in (of.low, of.high, of.mean, of.std))
        block["normalisation"] = {"window": [low, high], "mean": mean, "std": std}
    else:
        block["normalisation"] = {"over": "nonzero"}
    return block


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
    jobs = (8 + 3 * runs / parallel) * _JOB
    return prepare + judge + jobs + _REPORT

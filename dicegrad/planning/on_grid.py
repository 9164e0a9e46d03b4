"""The preprocessing of a data set, and what its grid keeps of the labels."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dicegrad.data.adapter import Case
from dicegrad.planning.fingerprint import Fingerprint
from dicegrad.planning.grids import GridPlan, plan_grid
from dicegrad.prediction.ceiling import Ceiling, dataset_ceiling
from dicegrad.preprocessing.settings import Preprocessing

_MOST_CHECKED = 40  # cases that are brought to the grid and back
_KEPT = 0.8  # mean DSC that a grid should keep of every class, if it may have more voxels
_LARGE = 4_000_000  # voxels of a box around a label, from where on its distances take minutes
_FINER = 4.0  # times the voxels that were asked for that it may have for that


@dataclass(frozen=True)
class OnGrid:
    """A grid, and what it keeps.

    Attributes:
        grid: Of the network.
        preprocessing: Block of the dataset file.
        ceilings: What the grid keeps of the labels.
        checked: Cases that were brought to the grid and back.
        seconds: That one of them took.
    """

    grid: GridPlan
    preprocessing: dict[str, Any]
    ceilings: Sequence[Ceiling]
    checked: int
    seconds: float

    @cached_property
    def keeps(self) -> dict[str, float]:
        """Mean DSC of each class that was looked at, brought to the grid and back."""
        names = dict.fromkeys(each.kept.name for each in self.ceilings)
        return {
            name: float(np.mean([each.dsc for each in self.ceilings if each.kept.name == name]))
            for name in names
        }

    @property
    def lost(self) -> list[str]:
        """Cases with a class that no voxel of the grid shows."""
        return sorted({each.case for each in self.ceilings if each.kept.lost})


def settle_grid(
    known: Fingerprint, most_voxels: float, report: Callable[[str], None] = lambda line: None
) -> OnGrid:
    """A grid of so many voxels, or of more where too much of the labels would be lost.

    Args:
        known: The data set.
        most_voxels: That the grid should have.
        report: Takes a line on each grid that was looked at.

    Raises:
        InputError: A file cannot be read.
    """
    most, cases = most_voxels, _hardest(known)
    while True:
        grid = plan_grid(known, int(most))
        block = preprocessing_block(known, grid)
        settings = Preprocessing.from_dict(block)
        start = time.process_time()
        found = dataset_ceiling(cases, known.adapter, known.classes, settings)
        seconds = (time.process_time() - start) / len(cases)
        on_grid = OnGrid(grid, block, found, len(cases), seconds)
        keeps = min(on_grid.keeps.values())
        report(f"grid {' x '.join(map(str, grid.size))}: true labels keep a DSC of {keeps:.3f}")
        good = keeps >= _KEPT and not on_grid.lost
        if good or grid.coarser <= 1 or most >= _FINER * most_voxels:
            break
        most *= 2
    if on_grid.lost:
        block["allow_lost"] = True
    return on_grid


def _hardest(known: Fingerprint) -> list[Case]:
    """The cases that reach furthest, those with the smallest structures, and some others."""
    if len(known.facts) <= _MOST_CHECKED:
        return [each.case for each in known.facts]
    chosen: dict[int, None] = {}
    ends = ((np.abs(each.low), np.abs(each.high), each.spacing) for each in known.facts)
    reach = np.array([np.maximum(low, high) * spacing for low, high, spacing in ends])
    for axis in range(3):
        chosen |= dict.fromkeys(np.argsort(-reach[:, axis])[:3].tolist())
    for k in range(len(known.classes)):
        volumes = np.where(known.filled[:, k], known.volumes[:, k], np.inf)
        chosen |= dict.fromkeys(np.argsort(volumes)[:3].tolist())
    left = [n for n in range(len(known.facts)) if n not in chosen]
    chosen |= dict.fromkeys(left[:: max(len(left) // (_MOST_CHECKED // 2), 1)])
    return [known.facts[n].case for n in sorted(chosen)]


def _has_large_labels(known: Fingerprint) -> bool:
    """Whether the labels of a case, such as those of a whole abdomen, fill millions of voxels.

    Signed distances are computed on voxels of half the length, so that they need gigabytes there.
    """
    return any(np.prod(np.subtract(each.high, each.low)) > _LARGE for each in known.facts)


def preprocessing_block(known: Fingerprint, grid: GridPlan) -> dict[str, Any]:
    """The block `preprocessing` of the dataset file."""
    block: dict[str, Any] = {
        "spacing": grid.written,
        "size": list(grid.size),
        "orientation": known.orientation,
        "crop": "snap",
        **({"offset": list(grid.offset)} if any(grid.offset) else {}),
        "label": "linear" if _has_large_labels(known) else "distance",
    }
    if known.ct and len(known.adapter.channels) == 1:
        (of,) = known.intensities
        low, high, mean, std = (float(f"{v:.4g}") for v in (of.low, of.high, of.mean, of.std))
        block["normalisation"] = {"window": [low, high], "mean": mean, "std": std}
    else:
        block["normalisation"] = {"over": "nonzero"}
    return block

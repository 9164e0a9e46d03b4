"""`forecast`: what each loss will make of the missing and the empty maps of a data set."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dicegrad.advice.audit import Audit
from dicegrad.advice.audit_types import Counts
from dicegrad.advice.forecast_losses import HEURISTIC, KNOWN, Candidate
from dicegrad.advice.forecast_text import recommend
from dicegrad.advice.push import IGNORED, LEARNT, Setting, pushes
from dicegrad.errors import InputError


@dataclass(frozen=True)
class Cell:
    """One class under one loss.

    Attributes:
        name: The class.
        loss: The loss.
        missing: What becomes of maps that nobody drew: "ignore", "torn" or "learn" (as empty); ""
            if there are none.
        missing_ratio: The push on a voxel that is predicted there, by that on a false voxel of a
            filled map.
        empty: The same of annotated maps without a true voxel.
        empty_ratio: Of those.
    """

    name: str
    loss: str
    missing: str
    missing_ratio: float | None
    empty: str
    empty_ratio: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with `class` for the class."""
        given = asdict(self)
        return {"class": given.pop("name"), **given}


@dataclass(frozen=True)
class Forecast:
    """What each loss will make of each class.

    Attributes:
        cells: Class by class, loss by loss.
        recommendation: Two sentences for each class, with the reason.
        batch_size: Cases in a batch.
        voxels: Of an image or patch.
        suspected: By class, empty maps of suspicious absences, which are counted as missing.
    """

    cells: tuple[Cell, ...]
    recommendation: dict[str, str]
    batch_size: int
    voxels: float
    suspected: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "batch_size": self.batch_size,
            "voxels": self.voxels,
            "suspected": dict(self.suspected),
            "cells": [cell.to_dict() for cell in self.cells],
            "recommendation": dict(self.recommendation),
        }

    @property
    def text(self) -> str:
        """For people."""
        from dicegrad.advice.forecast_text import describe

        return describe(self)


def forecast(
    found: Audit,
    *,
    batch_size: int = 2,
    voxels: float | None = None,
    losses: Sequence[Candidate] = (),
) -> Forecast:
    """Say for each class and loss whether missing and empty maps are ignored, learnt, or torn.

    A map is ignored if a voxel that is predicted in it is pushed down with less than a hundredth of
    the force on a false voxel of a filled map, and learnt as empty from a tenth. The push is that
    of Eq. 4 (and of p - y for the cross-entropy) where a map predicts the median volume of the
    class, half of it rightly if the map is filled, each voxel with probability 1/2, in a batch
    whose other maps are filled, missing or empty as often as those of the data set.

    Args:
        found: The audit of its labels. Empty maps of a suspicious absence count as missing.
        batch_size: Cases in a batch, at least 1.
        voxels: Of a patch, or of an image that is trained on whole; by default the median size of
            the label maps. Only the cross-entropy sees it.
        losses: Further losses, beside `forecast_losses.KNOWN`.

    Raises:
        InputError: A number is out of range, or no class has a filled map.
    """
    if batch_size < 1:
        raise InputError(f"batch size is {batch_size}; it must be at least 1")
    size = found.size if voxels is None else voxels
    if not size > 0:
        raise InputError(f"a patch of {size:g} voxels; it must have at least one")
    suspected = {name: _suspected(found, name) for name in found.classes}
    cells, told = [], {}
    for name, counts in found.classes.items():
        if counts.volumes.voxels is None:
            continue
        part = [
            _cell(name, counts, suspected[name], each, batch_size, size, len(found.classes))
            for each in (*KNOWN, *losses)
        ]
        cells += part
        told[name] = recommend(name, counts, suspected[name], part)
    if not cells:
        raise InputError(f"{found.source}: no class has a filled map, so there is nothing to learn")
    return Forecast(tuple(cells), told, batch_size, size, suspected)


def verdict(ratio: float) -> str:
    """The word for a push ratio."""
    if ratio < IGNORED:
        return "ignore"
    return "learn" if ratio >= LEARNT else "torn"


def push_ratio(
    loss: Candidate,
    kind: str,
    volume: float,
    voxels: float,
    batch_size: int,
    without: float,
    heuristic: float,
    classes: int = 1,
) -> float:
    """Push on a voxel predicted in a map without a true voxel, by that on a false one elsewhere.

    Args:
        loss: The loss.
        kind: "missing" or "empty".
        volume: V of the class in voxels.
        voxels: Of an image or patch.
        batch_size: Cases in a batch.
        without: Share of the maps that count and have no true voxel, 0 to 1.
        heuristic: Mean voxels of the maps that count.
        classes: How many classes the mean of the Dice term is over.
    """
    if (loss.mask and kind == "missing") or loss.inferred:
        return 0.0
    if loss.measured is not None:
        return loss.measured
    given = there = 0.0
    if loss.phi is not None:
        epsilon = heuristic if loss.epsilon == HEURISTIC else float(loss.epsilon)
        if not loss.numerator and "B" not in loss.phi:
            epsilon = 1e-12
        setting = Setting(loss.phi, batch_size, epsilon, volume, 0.5, without, classes=classes)
        found = pushes(setting)
        # By the logit: p (1 - p) at p = 1/2.
        given = loss.dice * found.missing_push / 4
        there = loss.dice * found.labelled_push / 4
    per_voxel = loss.cross_entropy / (2 * batch_size * voxels)
    return (given + per_voxel) / (there + per_voxel)


def _cell(
    name: str,
    counts: Counts,
    suspected: int,
    loss: Candidate,
    batch_size: int,
    voxels: float,
    classes: int,
) -> Cell:
    assert counts.volumes.voxels is not None
    volume = counts.volumes.voxels["median"]
    missing = counts.not_annotated + suspected
    empty = counts.empty - suspected
    ratios: dict[str, float | None] = {"missing": None, "empty": None}
    for kind, number in (("missing", missing), ("empty", empty)):
        if not number:
            continue
        without = empty + (0 if loss.mask else missing)
        total = counts.filled + without
        mean = (counts.epsilon_heuristic or volume) * (counts.filled + counts.empty) / total
        ratios[kind] = push_ratio(
            loss, kind, volume, max(voxels, volume), batch_size, without / total, mean, classes
        )
    words = {kind: "" if r is None else verdict(r) for kind, r in ratios.items()}
    return Cell(
        name, loss.name, words["missing"], ratios["missing"], words["empty"], ratios["empty"]
    )


def _suspected(found: Audit, name: str) -> int:
    """Empty maps of a class in groups whose absence is suspicious."""
    total = 0
    for flag in found.flags:
        if flag.name != name:
            continue
        if flag.cases:
            total += len(flag.cases)
        elif flag.group is not None and flag.group in found.groups:
            total += found.groups[flag.group][name].empty
    return min(total, found.classes[name].empty)

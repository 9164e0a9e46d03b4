"""What the network's grid keeps of a case, said in the log and refused where it is nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dicegrad.errors import InputError
from dicegrad.preprocessing.coding import Coding
from dicegrad.preprocessing.grids import TOLERANCE, Grid
from dicegrad.preprocessing.settings import Preprocessing


@dataclass(frozen=True)
class Kept:
    """How much of a class of one case is on the grid.

    Attributes:
        name: Name of the class.
        voxels: Of the original label.
        original_ml: Their volume.
        grid_ml: Volume of the label on the grid.
        outside: Share of the original voxels that the grid does not reach; 0 if there is none.
    """

    name: str
    voxels: int
    original_ml: float
    grid_ml: float
    outside: float

    @property
    def lost(self) -> bool:
        """Whether the class is in the label, and in no voxel of the grid."""
        return self.voxels > 0 and self.grid_ml == 0


def kept_volumes(
    label: np.ndarray,
    original: Grid,
    resampled: np.ndarray,
    grid: Grid,
    classes: Sequence[str],
    overlapping: bool = False,
) -> tuple[Kept, ...]:
    """How much of each class a grid keeps.

    Args:
        label: (X, Y, Z) uint8, k for ``classes[k - 1]``, on ``original``.
        original: The grid of the case's image.
        resampled: (X', Y', Z') uint8 on ``grid``.
        grid: The network's grid.
        classes: Names of the classes, in network order.
        overlapping: Whether the k-th bit stands for the k-th class instead; see `Coding`.
    """
    coding = Coding(len(classes), overlapping)
    reach = (
        np.flatnonzero((positions > -0.5 - TOLERANCE) & (positions < size - 0.5 + TOLERANCE))
        for positions, size in zip(grid.positions(original), grid.size, strict=True)
    )
    x, y, z = (slice(r[0], r[-1] + 1) if len(r) else slice(0) for r in reach)
    before, after = coding.counts(label), coding.counts(resampled)
    reached = coding.counts(label[x, y, z])
    of_original, of_grid = (np.prod(each.spacing) / 1000 for each in (original, grid))
    return tuple(
        Kept(
            name,
            int(before[k]),
            float(before[k] * of_original),
            float(after[k] * of_grid),
            float(1 - reached[k] / before[k]) if before[k] else 0.0,
        )
        for k, name in enumerate(classes)
    )


def describe_kept(kept: Sequence[Kept]) -> str:
    """One line on what the grid keeps, for the log.

    Example:
        >>> describe_kept([Kept("LV", 900, 90.0, 89.1, 0.0), Kept("RV", 5, 0.5, 0.0, 1.0)])
        'LV 89.10 of 90.00 ml, RV 0.00 of 0.50 ml: all 5 voxels lost'
    """
    parts = []
    for each in kept:
        text = f"{each.name} {each.grid_ml:.2f} of {each.original_ml:.2f} ml"
        if each.lost:
            text += f": all {each.voxels} voxels lost"
        elif each.outside > 0:
            text += f", {round(each.outside * each.voxels)} voxels outside the grid"
        parts.append(text)
    return ", ".join(parts)


def refuse_lost(kept: Sequence[Kept], settings: Preprocessing, grid: Grid) -> None:
    """Stop where a class is in the label and in no voxel of the grid.

    Raises:
        InputError: It is so, and `allow_lost` is not set.
    """
    lost = [each for each in kept if each.lost]
    if not lost or settings.allow_lost:
        return
    named = ", ".join(f"class {each.name} has {each.voxels} voxels" for each in lost)
    if any(each.outside == 1 for each in lost):
        remedy = "enlarge preprocessing.size or choose another crop"
    else:
        remedy = "choose a finer preprocessing.spacing, `native` slices, or `crop: snap`"
    raise InputError(
        f"{named} in the label and none on the grid, {describe_grid(grid, settings)}; {remedy}, "
        "or set preprocessing.allow_lost: true to train on it as empty"
    )


def refuse_blind(original: Grid, grid: Grid, settings: Preprocessing) -> None:
    """Stop where no voxel of the grid lies between the first and last voxels of the image.

    Raises:
        InputError: It is so.
    """
    axes = zip("xyz", original.positions(grid), original.size, strict=True)
    for axis, positions, length in axes:
        if not ((positions >= -TOLERANCE) & (positions <= length - 1 + TOLERANCE)).any():
            raise InputError(
                f"the grid, {describe_grid(grid, settings)}, sees none of the image: along {axis} "
                "none of its voxels lies between the first and the last voxel centre of the image; "
                "set preprocessing.crop to snap, or spacing to native along this axis"
            )


def describe_grid(grid: Grid, settings: Preprocessing) -> str:
    """The grid in words: voxels, spacing and crop."""
    size = " x ".join(map(str, grid.size))
    spacing = " x ".join(f"{each:g}" for each in grid.spacing)
    return f"{size} voxels of {spacing} mm, crop: {settings.crop}"

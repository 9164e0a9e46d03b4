"""Voxel grids in space, and the network's grid of a case."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from dicegrad.data.geometry import TOLERANCE, Grid
from dicegrad.data.volumes import Volume
from dicegrad.errors import InputError
from dicegrad.preprocessing.settings import Preprocessing

# Spacings that differ by less than this share are the same number, written with fewer digits.
SAME_SPACING = 1e-3


def bounding_box(volume: np.ndarray, margin: int = 0) -> tuple[slice, slice, slice]:
    """The smallest box around the voxels that are not 0; empty if there is none.

    Args:
        volume: (X, Y, Z).
        margin: Voxels that the box is widened by on each side, as far as the volume goes.
    """
    hits = volume != 0
    # Along z first: one look at the volume gives the shadow that x and y are read from.
    shadow = hits.any(axis=2)
    box = []
    for line in (shadow.any(axis=1), shadow.any(axis=0), hits.any(axis=(0, 1))):
        found = np.flatnonzero(line)
        if len(found) == 0:
            return slice(0), slice(0), slice(0)
        box.append(slice(max(found[0] - margin, 0), min(found[-1] + 1 + margin, len(line))))
    x, y, z = box
    return x, y, z


def centre_of_mass(mask: np.ndarray) -> tuple[int, int, int]:
    """The mean index of the voxels that are not 0, rounded down.

    Args:
        mask: (X, Y, Z), with at least one voxel that is not 0.
    """
    box = bounding_box(mask)
    hits = mask[box] != 0
    total = np.count_nonzero(hits)
    counts = (hits.sum(axis=tuple({0, 1, 2} - {a})) for a in range(3))
    x, y, z = (
        int(count @ np.arange(edge.start, edge.stop) // total)
        for count, edge in zip(counts, box, strict=True)
    )
    return x, y, z


def network_grid(image: Volume, settings: Preprocessing, label: Volume | None = None) -> Grid:
    """The network's grid for one case, aligned with the image's axes.

    - ``crop: center``: the two grids share their centre, as in the paper. Where one has an even and
      the other an odd number of voxels, its voxels lie between those of the image.
    - ``crop: snap``: the same, moved by at most half a voxel, so that voxels of the grid lie on
      those of the image along every axis where an image voxel is a whole number of grid voxels
      wide (within `SAME_SPACING`): there nothing is interpolated.
    - ``crop: label`` and ``foreground``: voxel ``size // 2`` lies on the voxel that is the centre
      of mass of what is cropped to.

    Under the first two, an offset in mm moves the grid along its axes.

    An axis whose spacing is ``native`` has the image's own voxels, whatever the crop.

    Args:
        image: The (first) image of the case.
        settings: Spacing, size and crop.
        label: The true label map on the image's grid; only ``crop: label`` looks at it.

    Raises:
        InputError: There is nothing to centre the crop on.
    """
    original = image.grid
    if settings.crop in ("label", "foreground"):
        axes = _around(_centre(image, settings.crop, label), original, settings)
    else:
        axes = _centred(original, settings)
    (x, first_x), (y, first_y), (z, first_z) = axes
    origin = original.point((first_x, first_y, first_z))
    return Grid(settings.size, (x, y, z), origin, original.direction)


def _centre(image: Volume, crop: str, label: Volume | None) -> tuple[int, int, int]:
    """The voxel that the crop is centred on."""
    target = label if crop == "label" else image
    if target is None:
        raise InputError("crop: label needs a label map; set `crop: foreground` or `center`")
    if not target.voxels.any():
        raise InputError(f"crop: {crop} finds no voxel that is not 0; set `crop: center`")
    return centre_of_mass(target.voxels)


def _around(
    middle: Sequence[int], original: Grid, settings: Preprocessing
) -> Iterator[tuple[float, float]]:
    """Per axis, the grid's spacing and, in image voxels, where its first voxel lies."""
    sides = zip(middle, original.spacing, settings.spacing, settings.size, strict=True)
    for voxel, old, wanted, size in sides:
        new = old if wanted == "native" else wanted
        yield new, voxel - size // 2 * new / old


def _centred(original: Grid, settings: Preprocessing) -> Iterator[tuple[float, float]]:
    """As `_around`, for a grid in the middle of the image, or so many mm off it."""
    axes = (original.size, original.spacing, settings.spacing, settings.size, settings.offset)
    for length, old, wanted, size, offset in zip(*axes, strict=True):
        snap = settings.crop == "snap" or wanted == "native"
        new = old if wanted == "native" else wanted
        steps = round(old / new)  # of the grid, from one image voxel to the next
        if snap and steps >= 1 and abs(steps * new / old - 1) < SAME_SPACING:
            exact = ((length - 1) * steps - (size - 1)) / 2 + offset / old * steps
            yield old / steps, math.ceil(exact - 0.5) / steps
        elif snap and length == 1:  # the only slice is seen, wherever the centre is
            yield new, -(size // 2) * new / old
        else:
            yield new, (length - 1) / 2 + offset / old - (size - 1) / 2 * new / old


def covering_grid(original: Grid, grid: Grid) -> tuple[Grid, tuple[int, int, int]]:
    """The grid in step with ``grid`` that has all voxels whose centres lie inside ``original``.

    Returns:
        That grid, and the index of its first voxel on ``grid`` (negative where it starts earlier).
    """
    starts: list[int] = []
    sizes: list[int] = []
    for axis, positions in enumerate(original.positions(grid)):
        step = grid.spacing[axis] / original.spacing[axis]
        first = int(np.ceil(-positions[0] / step - TOLERANCE))
        last = int(np.floor((original.size[axis] - 1 - positions[0]) / step + TOLERANCE))
        starts.append(first)
        sizes.append(max(last - first + 1, 1))
    x, y, z = sizes
    covering = Grid((x, y, z), grid.spacing, grid.point(starts), grid.direction)
    x, y, z = starts
    return covering, (x, y, z)


def whole_grid(original: Grid, grid: Grid) -> Grid:
    """The smallest grid in step with ``grid`` that has all of its voxels and all of the image's.

    Where the image lies within ``grid``, that is the same one.
    """
    covering, starts = covering_grid(original, grid)
    first = [min(start, 0) for start in starts]
    ends = (max(s + n, m) for s, n, m in zip(starts, covering.size, grid.size, strict=True))
    x, y, z = (end - start for end, start in zip(ends, first, strict=True))
    return Grid((x, y, z), grid.spacing, grid.point(first), grid.direction)

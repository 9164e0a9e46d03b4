"""The grid of a network, and where it pools: from voxel sizes and from where the labels lie."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dicegrad.planning.fingerprint import Facts, Fingerprint, Triple

THICK = 3.0  # slices this many times as far apart as voxels in plane are kept as they are
_APART = 2.0  # axes whose voxel sizes differ by less than this factor are pooled together
_MOST_POOLS = 5
_SMALLEST = 4  # voxels along an axis that is left after pooling
_WORTH = 0.8  # of its length: what a grid should save by lying off the middle
_STEP = 1.02  # by which voxels grow until the grid is small enough

WIDEST = 256  # features at the bottom

Size = tuple[int, int, int]


@dataclass(frozen=True)
class GridPlan:
    """A grid, and how the network goes down from it.

    Attributes:
        spacing: mm along x, y, z.
        native: Which axes keep each image's own slices.
        size: Voxels along x, y, z.
        offset: mm from the middle of a volume to that of the grid.
        pools: Between one level and the next.
        kernels: Of the first and second convolution of a block.
        coarser: Factor by which the finest axis is coarser than the median image.
    """

    spacing: Triple
    native: tuple[bool, bool, bool]
    size: Size
    offset: Triple
    pools: tuple[Size, ...]
    kernels: tuple[Size, Size]
    coarser: float

    @property
    def voxels(self) -> int:
        """Of the grid."""
        return math.prod(self.size)

    @property
    def written(self) -> list[float | str]:
        """The spacing as a dataset file has it."""
        return [
            "native" if native else float(f"{mm:.4g}")
            for mm, native in zip(self.spacing, self.native, strict=True)
        ]


def plan_grid(known: Fingerprint, most_voxels: int) -> GridPlan:
    """The finest grid, at most as fine as the images, that holds every label in so many voxels.

    Args:
        known: The data set.
        most_voxels: What the grid may have; more where the labels cannot be held otherwise.

    Returns:
        A grid in the middle of each volume, as `crop: snap` lays it, or so far off it as the labels
        lie in all of them, if it is smaller thereby. As nnU-Net does, it begins at
        the median voxel size and pools axes together whose voxel sizes are alike. Slices at least
        `THICK` times as far apart as voxels in plane are kept as they are. Where it is too large,
        the finest axes become coarser first.
    """
    finest = min(known.spacing)
    thick = tuple(mm >= THICK * finest for mm in known.spacing)
    coarser = 1.0
    while True:
        native = tuple(
            is_thick and mm >= THICK / 2 * finest * coarser
            for is_thick, mm in zip(thick, known.spacing, strict=True)
        )
        spacing = _coarse(known.spacing, native, finest * coarser)
        grid = _lay(known, spacing, native, coarser)
        if grid.voxels <= most_voxels or max(grid.size) <= 2 * _SMALLEST:
            return grid
        coarser *= _STEP


def _coarse(spacing: Triple, native: Sequence[bool], least: float) -> Triple:
    x, y, z = (mm if keep else max(mm, least) for mm, keep in zip(spacing, native, strict=True))
    return x, y, z


def _lay(known: Fingerprint, spacing: Triple, native: Sequence[bool], coarser: float) -> GridPlan:
    needed, wanted, offset = _sides(known, spacing, native)
    if max(wanted) < 2 * _SMALLEST:  # a network has two levels at least
        wanted[int(np.argmax(wanted))] = 2 * _SMALLEST
    pools = _pools(wanted, spacing)
    divisors = [math.prod(axis) for axis in zip(*pools, strict=True)]
    x, y, z = (
        divisor * max(math.ceil(need / divisor), round(want / divisor), 1)
        for need, want, divisor in zip(needed, wanted, divisors, strict=True)
    )
    flags = (bool(native[0]), bool(native[1]), bool(native[2]))
    return GridPlan(spacing, flags, (x, y, z), offset, pools, _kernels(spacing), coarser)


def _sides(
    known: Fingerprint, spacing: Triple, native: Sequence[bool]
) -> tuple[list[int], list[int], Triple]:
    """Along each axis the voxels that all labels need, those with some context, and the offset."""
    labelled = [each for each in known.facts if any(each.volumes)]
    needed, wanted, offsets = [], [], []
    for axis, mm in enumerate(spacing):
        low, high = (
            _extreme([end[axis] for end in ends], labelled, axis, mm, native[axis])
            for ends in ([each.low for each in labelled], [each.high for each in labelled])
        )
        image = _extreme([each.size[axis] for each in labelled], labelled, axis, mm, native[axis])[
            1
        ]
        reach, span = 2 * max(-low[0], high[1], 0.0), high[1] - low[0]
        moved = not native[axis] and span < _WORTH * min(reach, image)
        reach, most = (span, math.inf) if moved else (reach, image)
        # A grid that snaps to the image may lie half a voxel off at either end, and the labels of
        # new images may reach a little further.
        need = math.ceil(min(reach + max(0.05 * reach, 2) + 1, most) - 1e-6)
        needed.append(need)
        wanted.append(max(need, math.ceil(min(reach + max(0.1 * reach, 4), most) - 1e-6)))
        offsets.append(round(mm * (low[0] + high[1]) / 2, 1) if moved else 0.0)
    x, y, z = offsets
    return needed, wanted, (x, y, z)


def _extreme(
    values: Sequence[float], facts: Sequence[Facts], axis: int, mm: float, native: bool
) -> tuple[float, float]:
    """The lowest and the highest of some lengths in voxels of each image, in voxels of the grid."""
    scale = [1.0 if native else each.spacing[axis] / mm for each in facts]
    lengths = np.multiply(values, scale)
    return float(lengths.min()), float(lengths.max())


def _pools(size: Sequence[int], spacing: Sequence[float]) -> tuple[Size, ...]:
    """Halve the axes that are among the finest, as long as enough voxels are left."""
    shape, mm = list(map(float, size)), list(spacing)
    pools: list[Size] = []
    while len(pools) < _MOST_POOLS:
        long = [axis for axis in range(3) if shape[axis] / 2 >= _SMALLEST]
        if not long:
            break
        finest = min(mm[axis] for axis in long)
        x, y, z = (2 if a in long and mm[a] < _APART * finest else 1 for a in range(3))
        pools.append((x, y, z))
        shape = [length / factor for length, factor in zip(shape, (x, y, z), strict=True)]
        mm = [length * factor for length, factor in zip(mm, (x, y, z), strict=True)]
    return tuple(pools)


def _kernels(spacing: Triple) -> tuple[Size, Size]:
    """Two convolutions of 3 x 3 x 3; of 3 x 3 x 1 the second, where one axis is coarser."""
    finest = min(spacing)
    x, y, z = (1 if mm >= _APART * finest else 3 for mm in spacing)
    return (3, 3, 3), (x, y, z)


def network_block(grid: GridPlan, width: int) -> dict[str, Any]:
    """The block `network` of a dataset file: features double from level to level."""
    encoder = [[min(width * 2**level, WIDEST)] * 2 for level in range(len(grid.pools) + 1)]
    return {
        "encoder": encoder,
        "decoder": [list(block) for block in encoder[:-1]],
        "kernels": [list(kernel) for kernel in grid.kernels],
        "pools": [list(pool) for pool in grid.pools],
    }


def background_share(known: Fingerprint, grid: GridPlan) -> float:
    """The share of the grid that belongs to no class, as a mean over the cases with a label.

    Classes that overlap are taken to lie within the largest one, as regions mostly do.
    """
    labelled = known.volumes.max(axis=1) if known.overlapping else known.volumes.sum(axis=1)
    whole = grid.voxels * math.prod(grid.spacing) / 1000
    share = 1 - float(labelled[labelled > 0].mean()) / whole
    return round(min(max(share, 0.5), 0.99), 2)

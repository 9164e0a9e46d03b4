"""Axes of a volume in another order, or reversed: no voxel changes its value or its place."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from dicegrad.data.geometry import Grid

if TYPE_CHECKING:  # a machine that only trains has no package that reads images
    from dicegrad.data.volumes import Header, Volume

Voxels = TypeVar("Voxels", bound=np.ndarray)

_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True)
class Turn:
    """An order of the three axes, some of them reversed.

    Attributes:
        order: For each new axis, the old one.
        reversed: Whether a new axis runs the other way than the old one.
    """

    order: tuple[int, int, int] = (0, 1, 2)
    reversed: tuple[bool, bool, bool] = (False, False, False)

    @classmethod
    def to_ras(cls, grid: Grid) -> Self:
        """The turn after which the axes run as nearly as can be to the right, the front, the head.

        The axis that is nearest to one of the patient's is assigned first. (nibabel's
        `as_closest_canonical` does the same wherever no axis lies half-way between two.)
        """
        return cls._along(_TO_RAS @ grid.axes)

    @classmethod
    def between(cls, grid: Grid, other: Grid) -> Self:
        """The turn that takes the axes of one grid to those of another, as far as a turn can."""
        return cls._along(other.axes.T @ grid.axes)

    @classmethod
    def _along(cls, towards: np.ndarray) -> Self:
        """From (3, 3): how far each old axis (column) runs along each new one (row)."""
        weights, order = np.abs(towards), [0, 0, 0]
        for _ in range(3):
            row, column = map(int, np.unravel_index(np.argmax(weights), (3, 3)))
            order[row] = column
            weights[row], weights[:, column] = -1, -1
        x, y, z = order
        flips = [bool(towards[row, column] < 0) for row, column in enumerate(order)]
        return cls((x, y, z), (flips[0], flips[1], flips[2]))

    @property
    def is_none(self) -> bool:
        """Whether nothing changes."""
        return self == Turn()

    def voxels(self, voxels: Voxels) -> Voxels:
        """Voxels (X, Y, Z) turned; a view."""
        if self.is_none:
            return voxels
        return voxels.transpose(self.order)[self._slices]  # type: ignore[return-value]

    def back(self, voxels: Voxels) -> Voxels:
        """What `voxels` was given, from what it gave; a view."""
        if self.is_none:
            return voxels
        return voxels[self._slices].transpose(np.argsort(self.order))  # type: ignore[return-value]

    @property
    def _slices(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if each else 1) for each in self.reversed)

    def grid(self, grid: Grid) -> Grid:
        """Where the turned voxels lie: where they lay."""
        if self.is_none:
            return grid
        corner = [
            grid.size[old] - 1 if flip else 0
            for old, flip in zip(self.order, self.reversed, strict=True)
        ]
        first = [corner[self.order.index(axis)] for axis in range(3)]
        signs = np.where(self.reversed, -1.0, 1.0)
        axes = grid.axes[:, list(self.order)] * signs + 0.0
        x, y, z = self.order
        size, spacing = grid.size, grid.spacing
        return Grid(
            (size[x], size[y], size[z]),
            (spacing[x], spacing[y], spacing[z]),
            grid.point(first),
            tuple(axes.ravel().tolist()),
        )

    def volume(self, volume: "Volume") -> "Volume":
        """A volume turned, in its place; its header no longer says how its file put it."""
        if self.is_none:
            return volume
        header = replace(volume.header, grid=self.grid(volume.grid), forms=None)
        return replace(volume, voxels=self.voxels(volume.voxels), header=header)


def turn_of(headers: "Iterable[Header]", orientation: str) -> Turn:
    """The turn of all volumes of a case, which lie on the same voxels.

    Args:
        headers: Of its volumes; the first that says where it lies counts.
        orientation: ``RAS``, or ``as-is`` for no turn.

    Returns:
        No turn where no volume says where it lies, as no picture does.
    """
    placed = next((header for header in headers if header.placed), None)
    return Turn() if orientation == "as-is" or placed is None else Turn.to_ras(placed.grid)


def axis_codes(grid: Grid) -> str:
    """Where the axes run to, one letter each, as in nibabel.

    Example:
        >>> axis_codes(Grid((4, 4, 4), (1.0, 1, 1), (0.0, 0, 0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1)))
        'LPS'
    """
    turn = Turn.to_ras(grid)
    letters = ["", "", ""]
    for new, (old, flip) in enumerate(zip(turn.order, turn.reversed, strict=True)):
        letters[old] = _LETTERS[new][not flip]
    return "".join(letters)


def mixed_orientations(headers: "Sequence[Header]") -> str | None:
    """A line on images that lie in different orientations; None where all lie alike.

    Args:
        headers: Of one image of each case.
    """
    grids = [header.grid for header in headers if header.placed]
    if _alike(grids):
        return None
    counts = Counter(map(axis_codes, grids))
    said = ", ".join(f"{number} {codes}" for codes, number in counts.most_common())
    return (
        f"the axes of the images run in different directions ({said}); if these directions are "
        "right, set preprocessing.orientation: RAS, so that a network sees all of them alike"
    )


def best_orientation(headers: "Sequence[Header]") -> str:
    """``RAS``, unless oblique images that lie alike would be turned in different ways.

    Short-axis images of the heart lie about half-way between two of the patient's axes: which of
    them is nearer differs from patient to patient by a few degrees.

    Args:
        headers: Of one image of each case.
    """
    grids = [header.grid for header in headers if header.placed]
    turns = {Turn.to_ras(grid) for grid in grids}
    return "as-is" if len(turns) > 1 and _alike(grids) else "RAS"


def _alike(grids: Sequence[Grid]) -> bool:
    """Whether each axis of every grid is nearest to the same axis of the first."""
    return all(Turn.between(grid, grids[0]).is_none for grid in grids)

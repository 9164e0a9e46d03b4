"""Where the voxels of a volume lie, and whether two volumes lie on the same voxels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

# A position this close to a voxel centre, in voxels, is on it: spacings read from a header are
# rounded to single precision.
TOLERANCE = 1e-6
# Two volumes lie on the same voxels if no voxel of one is further than this from its counterpart,
# in voxels: headers are rounded, and a tenth of a voxel is less than anybody can draw.
SAME_VOXEL = 0.1
# Axes this far from right angles (as the sine of the angle) are rounding or a slight tilt of the
# scanner, and are straightened; what is further off is sheared.
STRAIGHT = 1e-2


@dataclass(frozen=True)
class Grid:
    """A regular grid of voxels in patient space (LPS, as in SimpleITK and DICOM).

    Attributes:
        size: Number of voxels along (x, y, z).
        spacing: Distance between voxel centres along each axis, in mm.
        origin: Where the centre of voxel (0, 0, 0) lies, in mm.
        direction: The axes' unit vectors as the columns of a 3 x 3 matrix, row by row.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The grid that `to_json` wrote."""
        return cls(**{key: tuple(value) for key, value in values.items()})

    def to_json(self) -> dict[str, list]:
        """Plain lists, ready for a JSON file."""
        return {key: list(value) for key, value in asdict(self).items()}

    @property
    def axes(self) -> np.ndarray:
        """(3, 3), one unit vector a column."""
        return np.reshape(self.direction, (3, 3))

    def point(self, index: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
        """Where a continuous voxel index lies, in mm."""
        x, y, z = (self.origin + self.axes @ (np.asarray(index) * self.spacing)).tolist()
        return x, y, z

    def index(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) continuous voxel indices of (..., 3) points in mm."""
        return (np.asarray(points) - self.origin) @ self.axes / self.spacing

    def positions(self, other: "Grid") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the voxels of an aligned grid lie on this one.

        Args:
            other: A grid with the same direction.

        Returns:
            For each axis, the continuous indices on this grid of ``other``'s voxel centres.

        Raises:
            ValueError: The two grids' axes differ.
        """
        if not np.allclose(self.direction, other.direction, atol=1e-5):
            message = f"the grids' axes differ: {self.direction} and {other.direction}"
            raise ValueError(message)
        start = self.axes.T @ np.subtract(other.origin, self.origin)
        exact = (
            (start[a] + np.arange(other.size[a]) * other.spacing[a]) / self.spacing[a]
            for a in range(3)
        )
        x, y, z = (np.where(abs(p - p.round()) < TOLERANCE, p.round(), p) for p in exact)
        return x, y, z

    def corners(self) -> np.ndarray:
        """(8, 3) points in mm: the centres of the voxels at the corners."""
        ends = np.array(np.meshgrid(*((0, n - 1) for n in self.size))).reshape(3, -1).T
        axes = self.axes  # once for all of them
        return np.array([self.origin + axes @ (end * self.spacing) for end in ends])


def straightened(direction: Sequence[float]) -> tuple[float, ...] | None:
    """The nearest axes at right angles, row by row; None if these are further off than `STRAIGHT`.

    Args:
        direction: Unit vectors as the columns of a 3 x 3 matrix, row by row.
    """
    axes = np.reshape(direction, (3, 3)).astype(float)
    if not np.isfinite(axes).all() or np.abs(axes.T @ axes - np.eye(3)).max() > STRAIGHT:
        return None
    left, _, right = np.linalg.svd(axes)  # the orthogonal factor of the polar decomposition
    return tuple((left @ right).ravel().tolist())


def same_grid(one: Grid, other: Grid, tolerance: float = SAME_VOXEL) -> bool:
    """Whether two grids of one size have each voxel in the same place.

    Args:
        one: A grid.
        other: Another one.
        tolerance: How far counterparts may be apart, in voxels of ``one``.
    """
    return one.size == other.size and _apart(one, other) <= tolerance


def same_spacing(one: Grid, other: Grid) -> bool:
    """As `same_grid` for grids of which one has no place: sizes and spacings alone."""
    drift = (np.divide(other.spacing, one.spacing) - 1) * np.subtract(one.size, 1)
    return (
        one.size == other.size
        and bool(np.abs(drift).max() <= SAME_VOXEL)
        and bool(np.allclose(one.spacing, other.spacing, rtol=SAME_VOXEL, atol=0))
    )


def _apart(one: Grid, other: Grid) -> float:
    """The largest distance along an axis of ``one`` between corners that should coincide."""
    return float(np.abs(one.index(other.corners()) - one.index(one.corners())).max())


def difference(one: Grid, other: Grid) -> str:
    """How ``other`` lies with respect to ``one``, in words.

    Example:
        >>> axes = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)
        >>> grid = Grid((4, 4, 4), (2.0, 2, 2), (0.0, 0, 0), axes)
        >>> difference(grid, Grid((4, 4, 4), (2.0, 2, 2), (100.0, 0, 0), axes))
        '100.0 mm off'
        >>> turned = (1, 0, 0, 0, -1, 0, 0, 0, 1)
        >>> difference(grid, Grid((4, 4, 4), (2.0, 2, 2), (0.0, 6, 0), turned))
        'flipped along y'
    """
    said = []
    if not np.allclose(one.spacing, other.spacing, rtol=1e-3, atol=0):
        said.append(f"spacing {numbers(other.spacing)} mm instead of {numbers(one.spacing)} mm")
    # Voxels of another size from one origin on are not off, nor are axes turned about one centre.
    anchors = [g.point([0 if said else (n - 1) / 2 for n in g.size]) for g in (one, other)]
    distance = float(np.linalg.norm(np.diff(anchors, axis=0)))
    if turn := _turn(one.axes.T @ other.axes):
        said.append(turn)
    if distance > SAME_VOXEL * min(one.spacing) or not said:
        said.append(f"{distance:.1f} mm off")
    return " and ".join(said)


def _turn(axes: np.ndarray) -> str:
    """What a 3 x 3 orthogonal matrix does to the axes, in words; empty if nothing."""
    near = axes.round()
    if np.abs(axes - near).max() < 0.02:
        if not (near == np.diag(np.diag(near))).all():
            return "its axes are in another order"
        flipped = [name for name, sign in zip("xyz", np.diag(near), strict=True) if sign < 0]
        if flipped:
            return f"flipped along {' and '.join(flipped)}"
    if np.linalg.det(axes) < 0:
        return "mirrored and rotated"
    angle = np.degrees(np.arccos(np.clip((np.trace(axes) - 1) / 2, -1, 1)))
    return f"rotated by {angle:.1f} degrees" if angle > 0.05 else ""


def numbers(values: Sequence[float]) -> str:
    """Numbers for a message.

    Example:
        >>> numbers((1.5, 1.5, 10))
        '1.5 x 1.5 x 10'
    """
    return " x ".join(f"{value:g}" for value in values)

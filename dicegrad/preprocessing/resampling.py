"""Images and label maps on another grid.

Both grids have the same axes, so linear interpolation, and the Gaussian before it, are separable:
resampling along each axis is one small matrix, and three products give the volume. The result
equals that of `SimpleITK.Resample` (tested) between the first and the last voxel centre; what lies
beyond counts as outside, whereas SimpleITK extends the border by half a voxel.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache

import numpy as np
from scipy.ndimage import distance_transform_edt
from threadpoolctl import ThreadpoolController

from dicegrad.preprocessing.grids import TOLERANCE, Grid, bounding_box

Matrices = tuple[np.ndarray, np.ndarray, np.ndarray]


def antialiasing_sigma(zoom: float) -> float:
    """Standard deviation of the Gaussian before downsampling, in input voxels.

    sqrt((1 / zoom^2 - 1) / 12): the variance that a box of 1 / zoom voxels has over one of 1 voxel.

    Args:
        zoom: Input spacing / output spacing; from 1 up nothing is smoothed.
    """
    return np.sqrt((1 / zoom**2 - 1) / 12) if zoom < 1 else 0.0


def sampling_matrix(positions: np.ndarray, length: int, sigma: float = 0.0) -> np.ndarray:
    """Resampling along one axis, as a matrix.

    Args:
        positions: (M,) continuous indices to sample at.
        length: N, number of voxels along the axis.
        sigma: Standard deviation in voxels of a Gaussian that smooths before; the border voxel is
            repeated, and the Gaussian cut at 4 sigma.

    Returns:
        (M, N) weights. A row sums to 1, or is 0 where the position is outside 0 .. N - 1.
    """
    rows = np.flatnonzero((positions >= -TOLERANCE) & (positions <= length - 1 + TOLERANCE))
    inside = np.clip(positions[rows], 0, length - 1)
    low = np.floor(inside).astype(int)
    linear = np.zeros((len(positions), length))
    linear[rows, low] = 1 - (inside - low)
    linear[rows, np.minimum(low + 1, length - 1)] += inside - low
    radius = int(4 * sigma + 0.5)
    if radius == 0:
        return linear
    steps = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (steps / sigma) ** 2)
    kernel /= kernel.sum()
    voxels = np.arange(length)
    smooth = np.zeros((length, length))
    for step, weight in zip(steps, kernel, strict=True):
        np.add.at(smooth, (voxels, np.clip(voxels + step, 0, length - 1)), weight)
    return linear @ smooth


def sampling_matrices(original: Grid, grid: Grid, antialias: bool = False) -> Matrices:
    """The matrices that take a volume from one grid to another with the same axes."""
    sigmas = [
        antialiasing_sigma(old / new) if antialias else 0.0
        for old, new in zip(original.spacing, grid.spacing, strict=True)
    ]
    triples = zip(original.positions(grid), original.size, sigmas, strict=True)
    x, y, z = (sampling_matrix(*triple) for triple in triples)
    return x, y, z


def apply_matrices(volume: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Multiply each axis of a volume by its matrix.

    Args:
        volume: (X, Y, Z), any number type.
        matrices: (X', X), (Y', Y), (Z', Z).

    Returns:
        (X', Y', Z') in the matrices' number type.
    """
    # Voxels that are 0 contribute nothing, nor do those that no output voxel needs.
    block = []
    for matrix, filled in zip(matrices, bounding_box(volume), strict=True):
        used = np.flatnonzero(matrix[:, filled].any(axis=0)) + filled.start
        if len(used) == 0:
            return np.zeros([len(m) for m in matrices], matrices[0].dtype)
        block.append(slice(used[0], used[-1] + 1))
    along_x, along_y, along_z = (m[:, b] for m, b in zip(matrices, block, strict=True))
    # Arrays from SimpleITK lie in memory as (Z, Y, X).
    data = volume[tuple(block)].T
    _, height, width = data.shape
    with blas_on_one_thread():
        data = _multiply(along_z, data.reshape(1, len(data), -1)).reshape(-1, height, width)
        data = _multiply(along_y, data)
        return _multiply(along_x, data.swapaxes(1, 2)).transpose(1, 2, 0)


def blas_on_one_thread() -> AbstractContextManager:
    """Limit numpy's matrix products to one thread, from this call to the end of the context.

    Another number of threads rounds differently, and is no faster for matrices this small.
    """
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()  # it searches the whole process, so once is enough


def _multiply(matrix: np.ndarray, data: np.ndarray) -> np.ndarray:
    """(M', M) times (B, M, R) -> (B, M', R), for a matrix with entries near its diagonal.

    A few rows need only a few columns, so taking a few rows at a time is several times faster.
    """
    result = np.zeros((len(data), len(matrix), data.shape[2]), matrix.dtype)
    for start in range(0, len(matrix), 16):
        rows = matrix[start : start + 16]
        used = np.flatnonzero(rows.any(axis=0))
        if len(used) > 0:
            columns = slice(used[0], used[-1] + 1)
            values = data[:, columns].astype(matrix.dtype, copy=False)
            result[:, start : start + 16] = rows[:, columns] @ values
    return result


def inside_mask(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """(X', Y', Z') bool: which voxels of the new grid lie inside the old one."""
    x, y, z = (np.asarray(m.any(axis=1)) for m in matrices)
    return x[:, None, None] & y[:, None] & z


def resample_image(
    volume: np.ndarray, original: Grid, grid: Grid, antialias: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Resample an image linearly, smoothed first along the axes that become coarser.

    Args:
        volume: (X, Y, Z) on ``original``.
        original: The grid that the image lies on.
        grid: The grid that it is wanted on; same axes.
        antialias: Whether to smooth.

    Returns:
        The image (X', Y', Z') float32, 0 outside, and the mask (X', Y', Z') bool of what is inside
        the first and last voxel centres of ``original``.
    """
    matrices = sampling_matrices(original, grid, antialias)
    image = apply_matrices(volume, [m.astype(np.float32) for m in matrices])
    return image, inside_mask(matrices)


def resample_label(
    label: np.ndarray,
    original: Grid,
    grid: Grid,
    classes: int,
    method: str = "distance",
    antialias: bool = True,
    ties: str = "background",
) -> np.ndarray:
    """Resample a label map.

    - ``distance``: a signed distance map per class and one for the background are interpolated, and
      the smallest wins. (Clipped at 10 mm and sent through sigmoid(-5 d), as ACDC's protocol has
      it, the largest is the same one.)
    - ``linear``: each class is interpolated as 0 and 1, like an image, and the largest share wins.
    - ``nearest``: the value of the nearest voxel; a voxel half-way takes the next one up.

    Where two classes tie, ``ties: background`` takes, as in the paper, the first of background,
    class 1, ... for distances, and the class, not the background, for ``linear``: with one class
    from 0.5 up. Half-way between the voxels of the image every surface voxel ties, so that one rule
    makes labels smaller and the other larger. ``ties: shared`` takes the lower of the tied classes
    on the black fields of a three-dimensional chess board and the higher on the white ones, so that
    neither a class nor a direction gains.

    Args:
        label: (X, Y, Z) whole numbers 0 .. ``classes`` on ``original``.
        original: The grid that the label map lies on.
        grid: The grid that it is wanted on; same axes.
        classes: Number of classes, background not counted.
        method: ``distance`` or ``linear``.
        antialias: Whether ``linear`` smooths as `resample_image` does.
        ties: ``background`` or ``shared``.

    Returns:
        (X', Y', Z') uint8; background outside the first and last voxel centres of ``original``.
    """
    if method == "linear":
        matrices = sampling_matrices(original, grid, antialias)
        return _linear(label, [m.astype(np.float32) for m in matrices], classes, ties)
    return _by_distance(label, original, grid, classes, ties)


def _linear(
    label: np.ndarray, matrices: Sequence[np.ndarray], classes: int, ties: str
) -> np.ndarray:
    """Interpolate each class as 0 and 1 and take the largest."""
    shares = np.stack([apply_matrices(label == k, matrices) for k in range(1, classes + 1)])
    # The tolerance keeps one half as one half in single precision.
    background = 1 - shares.sum(axis=0)
    if ties == "shared":
        result = _in_turn(np.concatenate([background[None], shares]), 2 * TOLERANCE)
        return result * inside_mask(matrices)
    best = shares.argmax(axis=0)
    largest = np.take_along_axis(shares, best[None], axis=0)[0]
    return ((best + 1) * (largest >= background - TOLERANCE)).astype(np.uint8)


def _in_turn(values: np.ndarray, tolerance: float) -> np.ndarray:
    """The index of the largest value; of those that tie, the lowest and the highest in turn.

    Args:
        values: (K + 1, X, Y, Z); the result is (X, Y, Z) uint8.
        tolerance: Values this close to the largest tie with it.
    """
    tied = values >= values.max(axis=0) - tolerance
    lowest, highest = tied.argmax(axis=0), len(values) - 1 - tied[::-1].argmax(axis=0)
    white = np.indices(values.shape[1:], sparse=True)
    return np.where(sum(white) % 2 == 0, lowest, highest).astype(np.uint8)


def _by_distance(
    label: np.ndarray, original: Grid, grid: Grid, classes: int, ties: str
) -> np.ndarray:
    """Interpolate signed distances and take the smallest."""
    result = np.zeros(grid.size, np.uint8)
    if not label.any():
        return result
    # Outside the box around the label, made one voxel wider, a position has only background
    # around it and becomes background: distances are needed inside the box alone.
    box = bounding_box(label, margin=1)
    distances = signed_distances(label[box], classes, original.spacing)
    matrices = [m[:, b] for m, b in zip(sampling_matrices(original, grid), box, strict=True)]
    rows = [np.flatnonzero(m.sum(axis=1) > 1 - TOLERANCE) for m in matrices]
    if any(len(r) == 0 for r in rows):
        return result
    target = tuple(slice(r[0], r[-1] + 1) for r in rows)
    matrices = [m[t] for m, t in zip(matrices, target, strict=True)]
    resampled = np.stack([apply_matrices(d, matrices) for d in distances])
    # Distances often tie half-way between voxels; rounding must not decide there.
    if ties == "shared":
        result[target] = _in_turn(-resampled, 1e-9)
        return result
    result[target] = (resampled <= resampled.min(axis=0) + 1e-9).argmax(axis=0)
    return result


def signed_distances(label: np.ndarray, classes: int, spacing: Sequence[float]) -> np.ndarray:
    """Distance of every voxel centre to the surface of each class and of the background.

    A surface is the set of points half-way between two voxels that share a face, one of them in the
    class: the vertices of the iso-surface at 0.5. The volume's border is no surface.

    Args:
        label: (X, Y, Z) whole numbers 0 .. ``classes``.
        classes: Number of classes K.
        spacing: Voxel size in mm.

    Returns:
        (K + 1, X, Y, Z) float64, in mm, negative inside; +-1000 for a class that has no surface.
    """
    distances = np.empty((classes + 1, *label.shape))
    for k in range(classes + 1):
        mask = label == k
        distances[k] = np.where(mask, -1.0, 1.0) * _surface_distance(mask, spacing)
    return distances


def _surface_distance(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """(X, Y, Z) distance in mm to the nearest point half-way between inside and outside."""
    # On a grid twice as fine the half-way points are voxels.
    away = np.ones([2 * n - 1 for n in mask.shape], bool)
    for axis in range(3):
        between = [slice(None, None, 2)] * 3
        between[axis] = slice(1, None, 2)
        away[tuple(between)] = ~np.diff(mask, axis=axis)
    if away.all():
        return np.full(mask.shape, 1000.0)
    return distance_transform_edt(away, np.divide(spacing, 2))[::2, ::2, ::2]

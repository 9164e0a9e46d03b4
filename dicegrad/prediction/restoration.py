"""The way back: from the network's grid to the original one, and into a file."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dicegrad.data.orientation import Turn
from dicegrad.data.volumes import Header, write_volume
from dicegrad.preprocessing.coding import written_values
from dicegrad.preprocessing.grids import TOLERANCE, Grid
from dicegrad.preprocessing.labeling import IGNORE
from dicegrad.preprocessing.resampling import apply_matrices, sampling_matrix


def restore(
    prediction: np.ndarray,
    grid: Grid,
    original: Grid,
    method: str = "linear",
    overlapping: bool = False,
) -> np.ndarray:
    """Bring a prediction from the network's grid to the case's original one.

    Network voxels beyond the first and last voxel centres of the original image were never seen;
    the first of them on either side is given the value of its inner neighbour, so that the original
    border can be interpolated. What the network grid does not reach becomes background.

    Args:
        prediction: (K + 1, X, Y, Z) probabilities, background first; or (X, Y, Z) whole numbers, a
            label map as in `Coding`, which is taken as probabilities 0 and 1.
        grid: The case's network grid.
        original: The grid of the case's original image, which may have its axes in another order
            or reversed.
        method: ``linear``: probabilities are interpolated; ``nearest``: those of the nearest voxel.
        overlapping: Whether a voxel may be of several classes.

    Returns:
        (X', Y', Z') uint8 on the original grid: the most probable class, the first where they tie;
        of overlapping classes a bit for each that is more probable than not, see `Coding`.
    """
    if overlapping:
        return _restore_overlapping(prediction, grid, original, method)
    if prediction.ndim == 3:
        prediction = prediction == np.arange(int(prediction.max()) + 1)[:, None, None, None]
    shares = restored(prediction, grid, original, method)
    # Background, class 0, also wins where all are 0: outside.
    best = next(shares)
    label = np.zeros(best.shape, np.uint8)
    for k, share in enumerate(shares, start=1):
        better = share > best + TOLERANCE
        label[better], best[better] = k, share[better]
    return label


def _restore_overlapping(
    prediction: np.ndarray, grid: Grid, original: Grid, method: str
) -> np.ndarray:
    if prediction.ndim == 3:
        known = np.where(prediction == IGNORE, 0, prediction)
        bits = range(int(known.max()).bit_length())
        maps = np.array([known >> k & 1 for k in bits], np.float32)
    else:
        maps = prediction[1:]
    label = np.zeros(original.size, np.uint8)
    for k, share in enumerate(restored(maps, grid, original, method)):
        label[share > 0.5 + TOLERANCE] |= 1 << k
    return label


def restored(
    maps: np.ndarray, grid: Grid, original: Grid, method: str = "linear"
) -> Iterator[np.ndarray]:
    """Bring maps to the original grid, one at a time, so that a large case needs little memory.

    Args:
        maps: (K, X, Y, Z) probabilities.
        grid: As for `restore`.
        original: As for `restore`.
        method: As for `restore`.

    Yields:
        K times (X', Y', Z') float32 on the original grid; 0 where the network's does not reach.
    """
    turn = Turn.between(original, grid)
    matrices = _matrices(grid, turn.grid(original), method)
    for each in maps:
        yield turn.back(apply_matrices(each, matrices))


def soft_volumes(
    prediction: np.ndarray, grid: Grid, original: Grid, method: str = "linear"
) -> np.ndarray:
    """Sum the probabilities that `restore` chooses from, without making them.

    Args:
        prediction: (K + 1, X, Y, Z) probabilities, background first.
        grid: As for `restore`.
        original: As for `restore`.
        method: As for `restore`.

    Returns:
        (K,) float64, in ml: the sum over the original grid times its voxel volume.
    """
    turned = Turn.between(original, grid).grid(original)
    weights = [m.sum(axis=0, dtype=np.float64) for m in _matrices(grid, turned, method)]
    sums = np.einsum("kxyz,x,y,z->k", prediction[1:], *weights, optimize=True)
    return sums * np.prod(original.spacing) / 1000


def _matrices(grid: Grid, original: Grid, method: str) -> list[np.ndarray]:
    """For each axis, the weights that take the network's grid to the original one."""
    axes = zip(grid.positions(original), grid.size, _seen(original, grid), strict=True)
    return [_way_back(positions, length, window, method) for positions, length, window in axes]


def _seen(original: Grid, grid: Grid) -> list[tuple[int, int]]:
    """Per axis, the first and last network voxel inside the original image; (0, -1) if none."""
    windows = []
    for positions, length in zip(original.positions(grid), original.size, strict=True):
        inside = (positions >= -TOLERANCE) & (positions <= length - 1 + TOLERANCE)
        hits = np.flatnonzero(inside)
        windows.append((int(hits[0]), int(hits[-1])) if len(hits) else (0, -1))
    return windows


def _way_back(positions: np.ndarray, length: int, seen: tuple[int, int], method: str) -> np.ndarray:
    """(N', N) float32 weights of resampling along one axis of the original grid."""
    first, last = seen
    low, high = max(first - 1, 0), min(last + 1, length - 1)
    reached = (positions >= low - TOLERANCE) & (positions <= high + TOLERANCE)
    if method == "nearest":
        reached = (positions > low - 0.5) & (positions < high + 0.5)
        positions = np.floor(positions + 0.5)
    # Clipping to what was seen is the same as copying its border outwards.
    matrix = sampling_matrix(np.clip(positions, first, max(last, first)), length)
    return (matrix * (reached & (last >= first))[:, None]).astype(np.float32)


def to_raw_values(
    label: np.ndarray, classes: Sequence[str], class_values: Mapping[str, Sequence[int]]
) -> np.ndarray:
    """Bring network classes to the dataset's own label values.

    Args:
        label: (X, Y, Z) uint8, see `Coding`.
        classes: Names of the classes, in network order.
        class_values: The adapter's raw values per class; `written_values` says which are written.
    """
    table = written_values(class_values, classes)
    return table.astype(np.uint8 if table.max() < 256 else np.int16)[label]


def write_prediction(
    path: Path,
    label: np.ndarray,
    classes: Sequence[str],
    class_values: Mapping[str, Sequence[int]],
    header: Header,
    checked: bool = False,
) -> None:
    """Write a label map as NIfTI, laid where its image lies; the file appears whole.

    Args:
        path: The file, ``.nii.gz``.
        label: (X, Y, Z) uint8 network classes on the original grid.
        classes: Names of the classes, in network order.
        class_values: The adapter's raw values per class.
        header: Of the case's original image.
        checked: Write its checksum beside it, for a later job; see `dicegrad.checksums`.

    Raises:
        InputError: See `write_volume`.
    """
    write_volume(path, to_raw_values(label, classes, class_values), header, checked)

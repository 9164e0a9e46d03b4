"""From a dataset's own label values to the numbers of a prepared label map, and onto the grid."""

from collections.abc import Sequence

import numpy as np

from dicegrad.data.adapter import Adapter
from dicegrad.errors import InputError
from dicegrad.preprocessing.coding import Coding, raw_codes
from dicegrad.preprocessing.grids import Grid, bounding_box
from dicegrad.preprocessing.labeling import IGNORE
from dicegrad.preprocessing.resampling import resample_label
from dicegrad.preprocessing.settings import Preprocessing


def encode(raw: np.ndarray, adapter: Adapter, classes: Sequence[str]) -> np.ndarray:
    """Bring a dataset's own label values to the network's.

    Args:
        raw: (X, Y, Z) label values of the dataset.
        adapter: Says which values each class has.
        classes: Names of the classes, in network order.

    Returns:
        (X, Y, Z) uint8, see `Coding`; `IGNORE` where the value is that of ignored voxels.

    Raises:
        InputError: The dataset has no such class.
    """
    for name in classes:
        if name not in adapter.class_values:
            known = ", ".join(adapter.class_values)
            raise InputError(f"classes: {name!r} is not a class of {adapter.name}; it has {known}")
    _, values = raw_codes(adapter.class_values, classes)
    if adapter.ignore is not None:
        values[adapter.ignore] = IGNORE
    table = np.zeros(max([*adapter.raw_values, *values]) + 1, np.uint8)
    table[list(values)] = list(values.values())
    label = np.zeros(raw.shape, np.uint8, order="F")
    # Most of a label map is background; the table is looked up where it is not.
    box = bounding_box(raw)
    label[box] = table[raw[box].astype(np.intp)]
    return label


def encode_label(raw: np.ndarray, adapter: Adapter, classes: Sequence[str]) -> np.ndarray:
    """As `encode`, for classes that exclude each other, with ignored voxels as one more class.

    Raises:
        InputError: The dataset has no such class, or two share a label value.
    """
    label = encode(raw, adapter, classes)
    if Coding.of(adapter.class_values, classes).overlapping:
        raise InputError(
            f"classes {', '.join(classes)} of {adapter.name} share label values; name classes that "
            "exclude each other"
        )
    label[label == IGNORE] = len(classes) + 1
    return label


def resample_coded(
    label: np.ndarray, original: Grid, grid: Grid, coding: Coding, settings: Preprocessing
) -> np.ndarray:
    """Resample a label map of any coding; each of its numbers is resampled as a class of its own.

    Args:
        label: (X, Y, Z) uint8 on ``original``.
        original: The grid that the label map lies on.
        grid: The grid that it is wanted on; same axes.
        coding: What its numbers stand for.
        settings: How labels are resampled.

    Returns:
        (X', Y', Z') uint8.
    """
    numbers = np.arange(1, coding.classes + 1)
    if coding.overlapping:
        numbers = np.unique(label)
        numbers = numbers[(numbers > 0) & (numbers != IGNORE)]
    if (label == IGNORE).any():
        numbers = np.append(numbers, IGNORE)
    there = np.zeros(256, np.uint8)
    there[numbers] = np.arange(1, len(numbers) + 1)
    back = np.zeros(256, np.uint8)
    back[1 : len(numbers) + 1] = numbers
    method, count = settings.label, len(numbers)
    if count == 0:
        return np.zeros(grid.size, np.uint8)
    consecutive = numbers[-1] == count
    resampled = resample_label(
        label if consecutive else there[label],
        original,
        grid,
        count,
        method,
        settings.antialias,
        settings.ties,
    )
    return resampled if consecutive else back[resampled]

"""Label maps as the scores read them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dicegrad.data.volumes import Header, read_volume
from dicegrad.errors import InputError
from dicegrad.preprocessing.align import onto


def read_labels(path: Path, where: Header | None = None) -> tuple[npt.NDArray[np.int64], Header]:
    """Label map (X, Y, Z) as integers, and where it lies; resampled to a place that is given."""
    volume = read_volume(path)
    if where is not None:
        volume = onto(path, volume, where)
    values = volume.voxels
    if not np.issubdtype(values.dtype, np.integer):
        rounded = np.rint(values)
        if not np.array_equal(rounded, values) or np.abs(rounded).max() > 2**24:
            raise InputError(f"{path}: label values are not all integers; save a label map")
        values = rounded
    return values.astype(np.int64), volume.header


def check_values(
    prediction: npt.NDArray[np.int64],
    class_values: Mapping[str, tuple[int, ...]],
    path: Path,
) -> None:
    """Raise an ``InputError`` unless every value of a label map belongs to a class or to 0."""
    known = {0}.union(*class_values.values())
    unknown = sorted(set(np.unique(prediction).tolist()) - known)
    if unknown:
        raise InputError(
            f"{path}: label value {unknown[0]} belongs to no class of {dict(class_values)}"
        )

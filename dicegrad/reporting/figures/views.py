"""The slice of a case that the figure of examples shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dicegrad.data.checks import geometry_problem
from dicegrad.data.orientation import Turn
from dicegrad.data.volumes import read_channels, read_volume
from dicegrad.errors import InputError
from dicegrad.preprocessing.align import onto

Array = npt.NDArray[np.float64]

MARGIN_MM = 25.0


@dataclass(frozen=True)
class Example:
    """One case to show.

    Attributes:
        case: Its name.
        group: Its group.
        image: NIfTI image (X, Y, Z) to draw below the outlines.
        truth: NIfTI truth with all labels, on the same grid.
        predictions: Setup -> NIfTI prediction on the same grid.
        emptied: Classes that were empty maps in its training truth.
        batch_size: Of the experiments; each gets a row.
        channels: How many the file of the image holds; the first is drawn.
        align: Whether a truth that lies elsewhere is resampled to the image.
    """

    case: str
    group: str
    image: Path
    truth: Path
    predictions: Mapping[str, Path]
    emptied: tuple[str, ...] = ()
    batch_size: int = 2
    channels: int = 1
    align: bool = False


@dataclass(frozen=True)
class View:
    """A slice through a case: arrays as `imshow` takes them, with patient marks at its edges."""

    image: Array
    labels: Mapping[str, npt.NDArray[np.int64]]
    pixel_mm: tuple[float, float]
    marks: tuple[str, str] = field(default=("", ""))


def view_case(case: Example, class_values: Mapping[str, tuple[int, ...]]) -> View:
    """Cut the slice to show out of a case.

    Args:
        case: What to show.
        class_values: For each class, its label values.

    Returns:
        The slice perpendicular to the axis with the largest voxels (the last one if equal), at the
        centre of mass of the emptied classes, or of all classes if none is or it has no voxel,
        moved to the nearest slice that holds them; cropped to the structures plus 25 mm. Patient
        right is on the left and anterior (or superior) on top, as radiologists look at it.

    Raises:
        InputError: The files are not on one grid.
    """
    reference = read_channels([case.image] * case.channels)[0]
    turn = Turn.to_ras(reference.grid)
    image = turn.voxels(reference.voxels.astype(float))
    labels = {}
    for name, path in {"truth": case.truth, **case.predictions}.items():
        volume = read_volume(path)
        if case.align and path == case.truth:
            volume = onto(path, volume, reference.header)
        problem = geometry_problem(case.image, reference.header, path, volume.header)
        if problem:
            raise InputError(problem)
        # The image's axes for all, so that what belongs together is turned together.
        labels[name] = turn.voxels(volume.voxels)
    spacing = np.array(turn.grid(reference.grid).spacing)
    through = 2 - int(np.argmax(np.round(spacing[::-1], 3)))
    every = sum(class_values.values(), ())
    wanted = sum((class_values[name] for name in case.emptied), ()) or every
    truth = labels["truth"]
    index = _slice_index(
        np.isin(truth, wanted) if np.isin(truth, wanted).any() else truth > 0, through
    )
    inside = np.any([np.isin(label, every) for label in labels.values()], axis=0)
    across = [axis for axis in range(3) if axis != through]
    window = _window(inside, across, spacing)

    def cut(volume: npt.NDArray) -> npt.NDArray:
        """(horizontal, vertical) of the patient to the rows and columns of a picture."""
        plane = np.take(volume, index, axis=through)[window]
        return plane.T[::-1, :: -1 if across[0] == 0 else 1]

    marks = ("R" if across[0] == 0 else "P", "A" if across[1] == 1 else "S")
    pixel = (float(spacing[across[1]]), float(spacing[across[0]]))
    return View(_grey(cut(image)), {k: cut(v) for k, v in labels.items()}, pixel, marks)


def _slice_index(mask: npt.NDArray[np.bool_], through: int) -> int:
    """The slice that holds the mask and is nearest to its centre of mass; the middle if empty."""
    area = mask.sum(axis=tuple(axis for axis in range(3) if axis != through))
    held = np.flatnonzero(area)
    if held.size == 0:
        return mask.shape[through] // 2
    centre = (area * np.arange(area.size)).sum() / area.sum()
    return int(held[np.argmin(np.abs(held - centre))])


def _window(
    inside: npt.NDArray[np.bool_], across: Sequence[int], spacing: Array
) -> tuple[slice, ...]:
    """In-plane box around the structures with a margin, as square as the image allows."""
    if not inside.any():
        return (slice(None), slice(None))
    spans = []
    for axis in across:
        held = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        spans.append((held[0] * spacing[axis], (held[-1] + 1) * spacing[axis]))
    side = max(high - low for low, high in spans) + 2 * MARGIN_MM
    window = []
    for axis, (low, high) in zip(across, spans, strict=True):
        start = (low + high - side) / 2 / spacing[axis]
        stop = (low + high + side) / 2 / spacing[axis]
        window.append(slice(max(0, round(start)), min(inside.shape[axis], round(stop))))
    return tuple(window)


def _grey(plane: Array) -> Array:
    """Intensities stretched to [0, 1] between the 1st and 99th percentile."""
    low, high = np.percentile(plane, [1, 99])
    return np.clip((plane - low) / max(high - low, 1e-12), 0, 1)

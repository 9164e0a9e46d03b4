"""The images of a new case, read and brought to what the networks know."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dicegrad.data.checks import check_geometry, image_problems
from dicegrad.data.orientation import Turn, axis_codes
from dicegrad.data.volumes import Header, Volume, read_channels
from dicegrad.errors import InputError
from dicegrad.prediction.model import Model
from dicegrad.preprocessing.prepare import Prepared, prepare_images
from dicegrad.preprocessing.settings import AS_IS
from dicegrad.training.seen import share_outside

# A file of whole numbers is taken for a label map if it has at most this many values, and if of the
# voxels that have not the commonest one this share has the value of its neighbour along x.
_VALUES = 256
_EQUAL = 0.5
# A new image may lie further outside of the grid than any training image by this share.
_MORE_OUTSIDE = 0.05


@dataclass(frozen=True)
class NewCase:
    """The images of one new case, ready for the networks.

    Attributes:
        prepared: On the networks' grid, or on one that has all of the image.
        header: Of the first image, as its file has it.
        outside: Share of the image that the networks do not see, 0 to 1.
        notes: Lines on what was done to the image.
        doubts: Lines on why the prediction may be wrong.
    """

    prepared: Prepared
    header: Header
    outside: float
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def read_images(paths: Sequence[Path], model: Model) -> NewCase:
    """Read and prepare the images of one case, one file a channel.

    Raises:
        InputError: An image cannot be used.
    """
    images = read_channels(paths)
    check_geometry(paths, images)
    problems = image_problems(paths, (image.voxels for image in images))
    if not problems:
        problems = [
            f"{path}: looks like a label map: {_describe_values(image.voxels)}; give the image"
            for path, image in zip(paths, images, strict=True)
            if _is_label_map(image.voxels)
        ]
    if problems:
        raise InputError(*problems)
    turn, header = _turn(paths, images, model), images[0].header
    try:
        turned = [turn.volume(image) for image in images]
        prepared = prepare_images(turned, model.preprocessing, whole=model.slide)
    except InputError as error:
        raise InputError(f"{paths[0]}: {error}") from error
    outside = share_outside(header.grid, prepared.grid)
    notes, doubts = [], [*prepared.doubts]
    if not turn.is_none:
        notes.append(f"axes brought from {axis_codes(header.grid)} to {axis_codes(prepared.grid)}")
    if outside > (model.seen.outside if model.seen else 0.0) + _MORE_OUTSIDE:
        doubts.append(_describe_outside(outside, model))
    return NewCase(prepared, header, outside, tuple(notes), tuple(doubts))


def _turn(paths: Sequence[Path], images: Sequence[Volume], model: Model) -> Turn:
    """What brings the axes of a case to those of the training images.

    None where preprocessing does it by itself, or where the weights do not say how they ran.

    Raises:
        InputError: No image says where it lies, and it is not read as the training images were.
    """
    if model.seen is None:
        return Turn()
    placed = next((each.header for each in images if each.header.placed), None)
    if placed and model.preprocessing.orientation != AS_IS:
        return Turn()
    grid = (placed or images[0].header).grid
    known = [replace(grid, direction=direction) for direction in model.seen.axes]
    turns = [Turn.between(grid, each) for each in known]
    # The axes made up for a file without a place mean nothing beside those of images with one.
    if any(turn.is_none for turn in turns) and (placed or model.seen.unplaced is not False):
        return Turn()
    if placed is None:
        raise InputError(
            f"{paths[0]}: says nothing of its orientation, and the networks were trained on "
            f"{' and '.join(map(axis_codes, known))}; write the orientation into the file"
        )
    return turns[0]


def _describe_outside(outside: float, model: Model) -> str:
    known = ""
    if model.seen:
        known = f" (of a training image at most {model.seen.outside:.0%})"
    return (
        f"{outside:.0%} of the image lies outside of the networks' grid and becomes background"
        f"{known}; crop the image to what is to be segmented, or add --window slide"
    )


def _is_label_map(voxels: np.ndarray) -> bool:
    """Whether voxels are classes and no intensities: few whole numbers, in one piece each."""
    if not np.issubdtype(voxels.dtype, np.integer):
        low, high = float(voxels.min()), float(voxels.max())
        if high - low >= _VALUES or (voxels != np.rint(voxels)).any():
            return False
    values, counts = np.unique(voxels, return_counts=True)
    if len(values) > _VALUES:
        return False
    rare = voxels != values[counts.argmax()]
    rare[-1] = False  # has no neighbour
    if not rare.any():
        return False
    same = voxels[:-1] == voxels[1:]
    return bool(same[rare[:-1]].mean() > _EQUAL)


def _describe_values(voxels: np.ndarray) -> str:
    values = np.unique(voxels)
    shown = ", ".join(f"{value:g}" for value in values[:4]) + ", ..." * (len(values) > 4)
    return f"it holds {len(values)} whole number{'s' * (len(values) > 1)} ({shown}) in large areas"

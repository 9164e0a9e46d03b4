"""A label map on other voxels than its image, brought to those of the image."""

from pathlib import Path

import numpy as np
from scipy.ndimage import affine_transform

from dicegrad.data.geometry import same_grid
from dicegrad.data.volumes import Header, Volume
from dicegrad.errors import InputError


def on_image(path: Path, label: Volume, header: Header, align: bool) -> Volume:
    """Lay a label map on the voxels of its image, with which it was checked.

    Where one of the two says nothing of place, the check compares size and spacing alone, and so
    voxel counts as voxel: the grid that is made up for such a file is nowhere in the other's space.

    Args:
        path: As for `onto`.
        label: As for `onto`.
        header: Of the image that predictions are written on.
        align: Whether a label map that lies elsewhere is resampled.

    Returns:
        As for `onto`; unless ``align`` is set, a label map that says where it lies stays there, if
        its image says so too.

    Raises:
        InputError: As for `onto`.
    """
    if not align and header.placed and label.header.placed:
        return label
    return onto(path, label, header)


def onto(path: Path, label: Volume, header: Header) -> Volume:
    """Resample a label map to the voxels of an image; each takes the nearest value.

    Args:
        path: The label map's file, for the message.
        label: The label map.
        header: Of the image.

    Returns:
        The label map on the image's grid, background where it does not reach; the same one where it
        lies there already, or where one of the two says nothing of place.

    Raises:
        InputError: Something is labelled, and nothing of it lies in the image.
    """
    one, other = header.grid, label.grid
    if same_grid(one, other) or not (header.placed and label.header.placed):
        return Volume(label.voxels, header)
    # index on the label = matrix @ index on the image + offset
    matrix = other.axes.T @ one.axes * one.spacing / np.reshape(other.spacing, (3, 1))
    voxels = affine_transform(
        label.voxels,
        matrix,
        other.index(np.array(one.origin)),
        one.size,
        np.empty(one.size, label.voxels.dtype, order="F"),
        order=0,
        mode="grid-constant",
        cval=0,
    )
    if label.voxels.any() and not voxels.any():
        raise InputError(
            f"{path}: all that is labelled lies outside the image; give the label of this image"
        )
    return Volume(voxels, header)

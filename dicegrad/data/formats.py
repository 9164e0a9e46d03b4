"""Volumes and pictures that SimpleITK reads, seen to be whole before."""

import os
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dicegrad.data import apart, metaimage, nrrd, tiff
from dicegrad.data.apart import Information
from dicegrad.data.geometry import Grid, straightened
from dicegrad.data.streams import SHRINK, Stored, count
from dicegrad.errors import InputError

# Pictures have no place in the patient.
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_TEXT = 1 << 20  # where a header of text has ended


def read_information(path: Path, stream: BinaryIO) -> tuple[Information, Grid]:
    """Read the header of a file.

    Args:
        path: The file.
        stream: The same, open.

    Returns:
        What it says, for `read_voxels`, and where the voxels lie; two dimensions are one slice of
        1 mm.

    Raises:
        InputError: It holds no single volume of real numbers, or its data are not all there, or it
            crashes its reader. The message does not name the file.
    """
    magic = stream.read(4)
    stream.seek(0)
    if magic in tiff.MAGICS:
        tiff.check_pages(stream)
    stored = _stored(path, stream)
    held = _held(path, stream, stored)
    information = apart.read_information(path)
    size, kind = information.size, information.type
    if len(size) not in (2, 3):
        raise InputError(f"shape is {size}, {len(size)}-D; give one 3-D volume per file")
    if information.parts != 1:
        raise InputError(f"has {information.parts} components per voxel; give one number per voxel")
    if kind is None:
        raise InputError(f"has {information.kind} per voxel; give one real number per voxel")
    needed = information.length
    if needed > held * SHRINK:
        raise InputError(
            f"truncated, its header asks for {needed} bytes and its {held} cannot hold them; fetch "
            "or write it again"
        )
    if stored is not None:
        _check_whole(path, stream, stored, needed)
    return information, _grid(information)


def read_voxels(path: Path, information: Information) -> np.ndarray:
    """(X, Y, Z) voxels that own their memory: whole numbers as they are, others float32.

    Raises:
        InputError: They cannot be read. The message does not name the file.
    """
    array = apart.read_voxels(path, information)
    array = array.reshape((1, *array.shape)[-3:])
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=False)
    return array.T


def _grid(information: Information) -> Grid:
    direction = np.eye(3)
    corner = len(information.size)
    direction[:corner, :corner] = np.reshape(information.direction, (corner, corner))
    size, spacing = (*information.size, 1), (*information.spacing, 1.0)
    origin = (*information.origin, 0.0)
    axes = tuple(direction.ravel().tolist())
    if not np.isfinite([*spacing, *origin]).all() or not 0 < min(spacing) <= max(spacing) <= 1e6:
        raise InputError(
            f"its voxels are {information.spacing} mm at {information.origin}; write the true "
            "spacing"
        )
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        found = straightened(axes)
        if found is None:
            raise InputError("its axes are not at right angles; resample it without shear")
        axes = found
    return Grid(
        (size[0], size[1], size[2]),
        (spacing[0], spacing[1], spacing[2]),
        (origin[0], origin[1], origin[2]),
        axes,
    )


def _stored(path: Path, stream: BinaryIO) -> Stored | None:
    """Where a header of text says that the voxels are; None of other formats."""
    head = stream.read(_TEXT)
    stream.seek(0)
    if head.startswith(nrrd.MAGIC):
        return nrrd.read_stored(head)
    return metaimage.read_stored(head) if path.suffix.lower() in metaimage.ENDINGS else None


def _held(path: Path, stream: BinaryIO, stored: Stored | None) -> int:
    """Bytes of the file and of the one that it names for its voxels."""
    held = os.fstat(stream.fileno()).st_size
    if stored is None or stored.data is None:
        return held
    if re.search(r"[%\s]|^LIST", stored.data):
        raise InputError(f"its voxels are in several files ({stored.data!r}); write one file")
    there = path.parent / stored.data
    if not there.is_file():
        raise InputError(f"its voxels should be in {there}, which is no file; put it there")
    return held + there.stat().st_size


def _check_whole(path: Path, stream: BinaryIO, stored: Stored, needed: int) -> None:
    """See that a MetaImage or NRRD file has all its voxels; ITK reads cut ones without a word."""
    if not stored.known:
        return
    if stored.data is not None:
        with (path.parent / stored.data).open("rb") as other:
            other.seek(stored.skipped)
            held = count(other, needed) if stored.zipped else _left(other)
    elif stored.end is not None:
        stream.seek(stored.end)
        held = count(stream, needed) if stored.zipped else _left(stream)
    else:
        return
    if held < needed:
        raise InputError(f"truncated, {held} of {needed} bytes of voxels are there; write it again")


def _left(stream: BinaryIO) -> int:
    return os.fstat(stream.fileno()).st_size - stream.tell()

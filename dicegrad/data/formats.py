"""Volumes and pictures that SimpleITK reads, seen to be whole before."""

import os
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from dicegrad.data.geometry import Grid, straightened
from dicegrad.data.streams import SHRINK, count
from dicegrad.errors import InputError

# Pictures have no place in the patient.
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_TEXT = 1 << 16  # where a header of text has ended
_LINE = 500  # bytes of a field of a NRRD header
_TYPES = {
    sitk.sitkUInt8: np.uint8,
    sitk.sitkInt8: np.int8,
    sitk.sitkUInt16: np.uint16,
    sitk.sitkInt16: np.int16,
    sitk.sitkUInt32: np.uint32,
    sitk.sitkInt32: np.int32,
    sitk.sitkUInt64: np.uint64,
    sitk.sitkInt64: np.int64,
    sitk.sitkFloat32: np.float32,
    sitk.sitkFloat64: np.float64,
}


def read_information(path: Path, stream: BinaryIO) -> tuple[sitk.ImageFileReader, Grid]:
    """Read the header of a file.

    Args:
        path: The file.
        stream: The same, open.

    Returns:
        What reads the voxels, and where they lie; two dimensions are one slice of 1 mm.

    Raises:
        InputError: It holds no single volume of real numbers, or its data are not all there. The
            message does not name the file.
        RuntimeError: SimpleITK does not know the format.
    """
    held = _held(path, stream)
    sitk.ProcessObject.GlobalWarningDisplayOff()
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        raise InputError(
            "is no image that SimpleITK reads, or is damaged; give .nii.gz, .mha, .nrrd or .png"
        ) from None
    size, parts, kind = reader.GetSize(), reader.GetNumberOfComponents(), reader.GetPixelID()
    if len(size) not in (2, 3):
        raise InputError(f"shape is {size}, {len(size)}-D; give one 3-D volume per file")
    if parts != 1:
        raise InputError(f"has {parts} components per voxel; give one number per voxel")
    if kind not in _TYPES:
        what = sitk.GetPixelIDValueAsString(kind)
        raise InputError(f"has {what} per voxel; give one real number per voxel")
    needed = int(np.prod(size, dtype=object)) * np.dtype(_TYPES[kind]).itemsize
    if needed > held * SHRINK:
        raise InputError(
            f"truncated, its header asks for {needed} bytes and its {held} cannot hold them; fetch "
            "or write it again"
        )
    _check_whole(path, stream, needed)
    return reader, _grid(reader)


def read_voxels(reader: sitk.ImageFileReader) -> np.ndarray:
    """(X, Y, Z) voxels that own their memory: whole numbers as they are, others float32."""
    array = sitk.GetArrayFromImage(reader.Execute())
    array = array.reshape((1, *array.shape)[-3:])
    if array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    return array.T


def _grid(reader: sitk.ImageFileReader) -> Grid:
    size, flat = reader.GetSize(), len(reader.GetSize()) == 2
    direction = np.eye(3)
    corner = len(size)
    direction[:corner, :corner] = np.reshape(reader.GetDirection(), (corner, corner))
    spacing = (*reader.GetSpacing(), 1.0) if flat else reader.GetSpacing()
    origin = (*reader.GetOrigin(), 0.0) if flat else reader.GetOrigin()
    axes = tuple(direction.ravel().tolist())
    if not np.isfinite([*spacing, *origin]).all() or min(spacing) <= 0 or max(spacing) > 1e6:
        raise InputError(f"its voxels are {spacing} mm at {origin}; write the true spacing")
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        found = straightened(axes)
        if found is None:
            raise InputError("its axes are not at right angles; resample it without shear")
        axes = found
    return Grid((*size, 1)[:3], spacing, origin, axes)


def _held(path: Path, stream: BinaryIO) -> int:
    """Bytes of the file and of the one that it names for its voxels."""
    held = os.fstat(stream.fileno()).st_size
    head = stream.read(_TEXT)
    stream.seek(0)
    _check_lines(head)
    data = _data_file(head)
    if data is None:
        return held
    if re.search(r"[%\s]|^LIST", data):
        raise InputError(f"its voxels are in several files ({data!r}); write one file")
    there = path.parent / data
    if not there.is_file():
        raise InputError(f"its voxels should be in {there}, which is no file; put it there")
    return held + there.stat().st_size


def _check_lines(head: bytes) -> None:
    """Refuse headers at which ITK's own readers crash the process.

    They are a NRRD header with a line longer than a buffer, and a MetaImage header whose number of
    dimensions is none.
    """
    if not head.startswith(b"NRRD"):
        for given in re.findall(rb"^[ \t]*NDims[ \t]*[=:]([^\r\n]*)", head, re.MULTILINE):
            if not re.fullmatch(rb"\s*([1-9]|10)\s*", given):
                shown = given[:40].decode("ascii", "backslashreplace").strip()
                raise InputError(f"NDims is {shown!r}; write the number of its dimensions")
        return
    text = re.split(rb"\r?\n\r?\n", head)[0]
    fields = (line for line in re.split(rb"[\r\n]", text) if line[:1] != b"#" and b":=" not in line)
    if (longest := max(map(len, fields))) > _LINE:
        raise InputError(f"its header has a line of {longest} bytes; write it again")


def _data_file(head: bytes) -> str | None:
    """The name of the file that a MetaImage or NRRD header gives for its voxels."""
    if head.startswith(b"NRRD"):
        text = re.split(rb"\r?\n\r?\n", head)[0]
        found = re.search(rb"^data ?file:\s*(.*?)\s*$", text, re.MULTILINE | re.IGNORECASE)
    else:
        found = re.search(rb"^ElementDataFile\s*=\s*(.*?)\s*$", head, re.MULTILINE)
        if found and found[1].upper() == b"LOCAL":
            return None
    return found[1].decode("utf-8", "replace") if found else None


def _check_whole(path: Path, stream: BinaryIO, needed: int) -> None:
    """See that a MetaImage or NRRD file has all its voxels; ITK reads cut ones without a word."""
    head = stream.read(_TEXT)
    if head.startswith(b"NRRD"):
        end = re.search(rb"\r?\n\r?\n", head)
        found = re.search(rb"^encoding:\s*(\w+)", head, re.MULTILINE | re.IGNORECASE)
        encoding = found[1].decode().lower() if found else "raw"
        squeezed, plain = encoding in ("gzip", "gz"), encoding == "raw"
    else:
        end = re.search(rb"^ElementDataFile\s*=.*?\r?\n", head, re.MULTILINE)
        squeezed = bool(
            re.search(rb"^CompressedData\s*=\s*True", head, re.MULTILINE | re.IGNORECASE)
        )
        plain = not squeezed and not re.search(rb"^BinaryData\s*=\s*False", head, re.MULTILINE)
    data = _data_file(head)
    if (end is None and data is None) or not (squeezed or plain):
        return
    if data is None and end is not None:
        stream.seek(end.end())
        held = count(stream, needed) if squeezed else _left(stream)
    else:
        with (path.parent / str(data)).open("rb") as other:
            held = count(other, needed) if squeezed else _left(other)
    if held < needed:
        raise InputError(f"truncated, {held} of {needed} bytes of voxels are there; write it again")


def _left(stream: BinaryIO) -> int:
    return os.fstat(stream.fileno()).st_size - stream.tell()

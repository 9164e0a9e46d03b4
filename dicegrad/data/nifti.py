"""NIfTI headers: what they say of voxels, and headers of new files."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from nibabel import nifti1, nifti2

from dicegrad.data.forms import Forms, grid_of
from dicegrad.data.geometry import Grid
from dicegrad.errors import InputError

# Bytes at the beginning that tell the kind and length of a header.
HEADERS = {348: nifti1.header_dtype, 540: nifti2.header_dtype}
LONGEST = max(HEADERS)
_MAGIC = {348: b"n+1\0", 540: b"n+2\0\r\n\x1a\n"}
_PAIR = {348: b"ni1\0", 540: b"ni2\0\r\n\x1a\n"}
_TYPES = {
    2: np.uint8,
    4: np.int16,
    8: np.int32,
    16: np.float32,
    64: np.float64,
    256: np.int8,
    512: np.uint16,
    768: np.uint32,
    1024: np.int64,
    1280: np.uint64,
}
_NO_VOLUME = {
    128: "three components per voxel (RGB)",
    2304: "four components per voxel (RGBA)",
    32: "complex numbers",
    1792: "complex numbers",
    2048: "complex numbers",
}


@dataclass(frozen=True)
class Nifti:
    """A NIfTI header, checked.

    Attributes:
        size: Voxels along (x, y, z).
        count: Volumes in the file, one after the other; more than 1 where it has four dimensions.
        dtype: Number type in the file, with its byte order.
        start: Bytes before the first voxel.
        slope: Factor of the stored numbers, or None where they are the values.
        inter: What is added after that.
        forms: What it says of place.
        grid: Where the voxels lie.
    """

    size: tuple[int, int, int]
    count: int
    dtype: np.dtype
    start: int
    slope: float | None
    inter: float
    forms: Forms
    grid: Grid

    @property
    def end(self) -> int:
        """Bytes up to the end of the last voxel."""
        x, y, z = self.size
        return self.start + x * y * z * self.count * self.dtype.itemsize

    @property
    def shape(self) -> tuple[int, ...]:
        """Its size, and the number of volumes behind it where there are several."""
        return (*self.size, self.count) if self.count > 1 else self.size


def parse(raw: bytes) -> Nifti:
    """Read a header.

    Args:
        raw: The beginning of a file, uncompressed.

    Raises:
        InputError: It is none, or one of a file that holds no volumes of numbers. The message does
            not name the file.
    """
    fields, length = _fields(raw)
    size, count = _size(fields)
    code = int(fields["datatype"])
    if code in _NO_VOLUME:
        raise InputError(f"has {_NO_VOLUME[code]}; give one number per voxel")
    if code not in _TYPES:
        raise InputError(f"its voxels are of type {code}, which is not supported; write it again")
    little = fields.dtype["dim"].base.str.startswith("<")
    dtype = np.dtype(_TYPES[code]).newbyteorder("<" if little else ">")
    if int(fields["bitpix"]) != 8 * dtype.itemsize:
        raise InputError(
            f"its header is damaged (bitpix is {int(fields['bitpix'])} for numbers of "
            f"{8 * dtype.itemsize} bits); write it again"
        )
    start = float(fields["vox_offset"])
    if not (length + 4 <= start < 2**40 and start == int(start)):
        raise InputError(f"its header is damaged (vox_offset is {start:g}); write it again")
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or not np.isfinite(slope) or (slope == 1 and inter == 0):
        scale: tuple[float | None, float] = None, 0.0
    elif np.isfinite(inter):
        scale = slope, inter
    else:
        raise InputError(f"its header is damaged (scl_inter is {inter}); write it again")
    forms = Forms.of_fields(fields)
    return Nifti(size, count, dtype, int(start), *scale, forms, grid_of(size, forms))


def _fields(raw: bytes) -> tuple[np.ndarray, int]:
    """The fields of a header, in its byte order, and its length in bytes."""
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        length = int(np.frombuffer(raw[:4], order + "i4")[0]) if len(raw) >= 4 else 0
        if length in HEADERS:
            break
    else:
        raise InputError("is no NIfTI file; give a volume")
    if len(raw) < length:
        raise InputError("truncated, within its header; fetch or write it again")
    fields = np.frombuffer(raw[:length], HEADERS[length].newbyteorder(order))[0]
    magic = raw[344:348] if length == 348 else raw[4:12]
    if magic == _PAIR[length]:
        raise InputError("is one half of a pair .hdr and .img; write it as .nii.gz")
    if magic != _MAGIC[length]:
        raise InputError("is no NIfTI file, or Analyze 7.5; write it as .nii.gz")
    return fields, length


def _size(fields: np.ndarray) -> tuple[tuple[int, int, int], int]:
    """Voxels along (x, y, z), and how many volumes of that size there are."""
    dimensions = int(fields["dim"][0])
    if not 1 <= dimensions <= 7:
        raise InputError(f"its header is damaged (it has {dimensions} dimensions); write it again")
    shape = tuple(int(n) for n in fields["dim"][1 : dimensions + 1])
    if min(shape) < 1:
        raise InputError(f"its header is damaged (its shape is {shape}); write it again")
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    x, y, z, *more = (*shape, 1, 1)[: max(len(shape), 3)]
    # ITK writes the channels of an image along the fifth axis; the fourth is time.
    several = [n for n in more if n > 1]
    if len(several) > 1:
        raise InputError(f"shape is {shape}, {len(shape)}-D; give one 3-D volume per file")
    return (x, y, z), several[0] if several else 1


def build(size: tuple[int, ...], dtype: np.dtype, forms: Forms) -> bytes:
    """The header of a new file: NIfTI-1, and NIfTI-2 where the volume is too large for it."""
    large = max(size) > np.iinfo(np.int16).max
    header = nifti2.Nifti2Header() if large else nifti1.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(size)
    fields = header.structarr
    fields["vox_offset"] = header.single_vox_offset
    fields["magic"] = header.single_magic
    fields["pixdim"][:4] = forms.pixdim
    fields["xyzt_units"] = forms.units
    fields["qform_code"], fields["sform_code"] = forms.codes
    for axis, value in zip("bcd", forms.quaternion, strict=True):
        fields[f"quatern_{axis}"] = value
    for number, axis in enumerate("xyz"):
        fields[f"qoffset_{axis}"] = forms.offset[number]
        fields[f"srow_{axis}"] = forms.rows[4 * number : 4 * number + 4]
    fields["scl_slope"], fields["scl_inter"] = 1, 0
    return header.binaryblock + bytes(4)

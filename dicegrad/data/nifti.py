"""NIfTI headers: what they say of voxels and place, and headers of new files.

Where a header gives two places, a qform and an sform, one rule holds everywhere. The sform is used
if its code is 1 (scanner), if there is no qform, or if the two agree within 1e-4; the qform
otherwise; two that put a voxel more than a voxel apart are refused. Axes up to `STRAIGHT` off
right angles are straightened. A header with neither says nothing of place. The spacing is always
that of pixdim, its sign aside; lengths in metres or micrometres (xyzt_units) become mm.
(The NIfTI-1 and NIfTI-2 standards, and ITK's reader, which lays ordinary files the same way.)
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from nibabel import nifti1, nifti2

from dicegrad.data.geometry import Grid, difference, numbers, straightened
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
_TO_MM = {0: 1.0, 1: 1e3, 2: 1.0, 3: 1e-3}
_AGREE = 1e-4
_TO_LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Forms:
    """What a NIfTI header says of place, as it stands in the file.

    Attributes:
        pixdim: qfac and the three spacings.
        units: xyzt_units.
        codes: qform_code and sform_code; 0 where there is no such form.
        quaternion: quatern_b, _c, _d.
        offset: qoffset_x, _y, _z.
        rows: srow_x, srow_y and srow_z, one after the other.
    """

    pixdim: tuple[float, ...]
    units: int
    codes: tuple[int, int]
    quaternion: tuple[float, ...]
    offset: tuple[float, ...]
    rows: tuple[float, ...]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    def to_json(self) -> dict[str, Any]:
        """Plain lists, ready for a JSON file."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def of_grid(cls, grid: Grid) -> Self:
        """Both forms, in scanner coordinates, for a grid that came from no NIfTI file."""
        affine = np.eye(4)
        affine[:3, :3] = _TO_LPS @ grid.axes * grid.spacing
        affine[:3, 3] = _TO_LPS @ grid.origin
        return cls.of_affine(affine)

    @classmethod
    def of_affine(cls, affine: np.ndarray) -> Self:
        """Both forms, in scanner coordinates, from a (4, 4) affine in mm to RAS."""
        header = nifti1.Nifti1Header()
        header.set_data_shape((1, 1, 1))
        header.set_qform(affine, 1)
        header.set_sform(affine, 1)
        header.set_xyzt_units("mm", "sec")
        return cls.of_fields(header.structarr)

    @classmethod
    def of_fields(cls, fields: np.ndarray) -> Self:
        """The forms in the fields of a header."""
        return cls(
            tuple(fields["pixdim"][:4].tolist()),
            int(fields["xyzt_units"]),
            (max(int(fields["qform_code"]), 0), max(int(fields["sform_code"]), 0)),
            tuple(float(fields[f"quatern_{axis}"]) for axis in "bcd"),
            tuple(float(fields[f"qoffset_{axis}"]) for axis in "xyz"),
            tuple(float(v) for axis in "xyz" for v in fields[f"srow_{axis}"]),
        )


@dataclass(frozen=True)
class Nifti:
    """A NIfTI header, checked.

    Attributes:
        size: Voxels along (x, y, z).
        dtype: Number type in the file, with its byte order.
        start: Bytes before the first voxel.
        slope: Factor of the stored numbers, or None where they are the values.
        inter: What is added after that.
        forms: What it says of place.
        grid: Where the voxels lie.
    """

    size: tuple[int, int, int]
    dtype: np.dtype
    start: int
    slope: float | None
    inter: float
    forms: Forms
    grid: Grid

    @property
    def end(self) -> int:
        """Bytes up to the end of the last voxel."""
        return self.start + self.size[0] * self.size[1] * self.size[2] * self.dtype.itemsize


def parse(raw: bytes) -> Nifti:
    """Read a header.

    Args:
        raw: The beginning of a file, uncompressed.

    Raises:
        InputError: It is none, or one of a file that holds no single volume of numbers. The message
            does not name the file.
    """
    fields, length = _fields(raw)
    size = _size(fields)
    code = int(fields["datatype"])
    if code in _NO_VOLUME:
        raise InputError(f"has {_NO_VOLUME[code]}; give one number per voxel")
    if code not in _TYPES:
        raise InputError(f"its voxels are of type {code}, which is not supported; write it again")
    dtype = np.dtype(_TYPES[code]).newbyteorder(fields.dtype["dim"].base.byteorder)
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
    return Nifti(size, dtype, int(start), *scale, forms, grid_of(size, forms))


def _fields(raw: bytes) -> tuple[np.ndarray, int]:
    """The fields of a header, in its byte order, and its length in bytes."""
    for order in "<>":
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


def _size(fields: np.ndarray) -> tuple[int, int, int]:
    count = int(fields["dim"][0])
    if not 1 <= count <= 7:
        raise InputError(f"its header is damaged (it has {count} dimensions); write it again")
    shape = tuple(int(n) for n in fields["dim"][1 : count + 1])
    if min(shape) < 1:
        raise InputError(f"its header is damaged (its shape is {shape}); write it again")
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 3:
        raise InputError(f"shape is {shape}, {len(shape)}-D; give one 3-D volume per file")
    x, y, z = (*shape, 1, 1)[:3]
    return x, y, z


def grid_of(size: tuple[int, int, int], forms: Forms) -> Grid:
    """Where the voxels of a file lie.

    Raises:
        InputError: Its header contradicts itself; the message does not name the file.
    """
    factor = _TO_MM.get(forms.units & 7)
    if factor is None:
        raise InputError(f"its header is damaged (xyzt_units is {forms.units}); write it again")
    # Along an axis with one voxel the field is often left at 0.
    lengths = [abs(d) or float(n == 1) for d, n in zip(forms.pixdim[1:], size, strict=True)]
    if not all(0 < d < 1e6 for d in lengths):
        raise InputError(
            f"its voxels are {numbers(forms.pixdim[1:])} in size (pixdim); write the true spacing"
        )
    spacing = tuple(d * factor for d in lengths)
    matrices = {}
    if forms.codes[0]:
        matrices["qform"] = _qform(forms, lengths)
    if forms.codes[1]:
        matrices["sform"] = np.reshape(forms.rows, (3, 4)).astype(np.float32)
    if not matrices:
        return Grid(size, spacing, (0.0, 0.0, 0.0), tuple(np.eye(3).ravel().tolist()))
    found = {name: _placed(name, m, size, spacing, factor) for name, m in matrices.items()}
    if len(found) == 1:
        return next(iter(found.values()))[0]
    (of_qform, _), (of_sform, straight) = found["qform"], found["sform"]
    apart = np.abs(of_qform.index(of_sform.corners()) - of_qform.index(of_qform.corners())).max()
    if apart > 1:
        raise InputError(
            f"its qform and sform lie in different places, the sform "
            f"{difference(of_qform, of_sform)}; set the one that is wrong to the other, or its "
            "code to 0"
        )
    near = np.abs(matrices["qform"] - matrices["sform"]).max() <= _AGREE
    return of_sform if straight and (forms.codes[1] == 1 or near) else of_qform


def _placed(
    name: str,
    matrix: np.ndarray,
    size: tuple[int, int, int],
    spacing: tuple[float, ...],
    factor: float,
) -> tuple[Grid, bool]:
    """The grid of one form, and whether its axes were at right angles."""
    lengths = np.linalg.norm(matrix[:, :3].astype(float), axis=0)
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 1e9 or lengths.min() == 0:
        raise InputError(f"its {name} is no place ({matrix.tolist()}); write the true affine")
    stretch = lengths * factor / spacing
    if any(abs(s - 1) * (n - 1) > 1 for s, n in zip(stretch, size, strict=True)):
        raise InputError(
            f"its {name} has voxels of {numbers(lengths * factor)} mm, its pixdim of "
            f"{numbers(spacing)} mm; set the one that is wrong to the other"
        )
    axes = _TO_LPS @ (matrix[:, :3] / lengths)
    direction: tuple[float, ...] | None = tuple(axes.ravel().tolist())
    straight = bool(np.abs(axes.T @ axes - np.eye(3)).max() <= _AGREE)
    if not straight:
        direction = straightened(axes.ravel())
    if direction is None:
        raise InputError(
            f"the axes of its {name} are not at right angles; resample it to a grid without shear"
        )
    origin = tuple((_TO_LPS @ matrix[:, 3].astype(float) * factor + 0.0).tolist())
    return Grid(size, spacing, origin, direction), straight


def _qform(forms: Forms, lengths: list[float]) -> np.ndarray:
    """(3, 4) float32 matrix of the quaternion, which turns by (a, b, c, d) with a >= 0."""
    b, c, d = forms.quaternion
    square = b * b + c * c + d * d
    if not square <= 1.001:
        raise InputError(
            f"its qform turns by {forms.quaternion}, which is no quaternion; write it again"
        )
    if 1 - square < 1e-7:  # half a turn: the numbers are rounded, and a is 0
        b, c, d = (v / np.sqrt(square) for v in (b, c, d))
        a = 0.0
    else:
        a = np.sqrt(1 - square)
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )
    sides = [*lengths[:2], -lengths[2] if forms.pixdim[0] < 0 else lengths[2]]
    return np.column_stack([turn * sides, forms.offset]).astype(np.float32)


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

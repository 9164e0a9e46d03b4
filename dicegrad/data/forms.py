"""The place that a NIfTI header gives its voxels.

Where a header gives two places, a qform and an sform, one rule holds everywhere. The sform is used
if there is no qform, or if its axes are at right angles and its code is 1 (scanner) or the two
agree within 1e-4; the qform otherwise; two that put a voxel more than a voxel apart are refused.
Axes up to `STRAIGHT` off right angles are straightened. A header with neither says nothing of
place. The spacing is always that of pixdim, its sign aside; lengths in metres or micrometres
(xyzt_units) become mm.
(The NIfTI-1 and NIfTI-2 standards, and ITK's reader, which lays ordinary files the same way.)
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from nibabel import nifti1

from dicegrad.data.geometry import Grid, difference, numbers, straightened
from dicegrad.errors import InputError

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
        plain: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**plain)

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
    x, y, z = (d * factor for d in lengths)
    spacing = x, y, z
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
    spacing: tuple[float, float, float],
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
    x, y, z = (_TO_LPS @ matrix[:, 3].astype(float) * factor + 0.0).tolist()
    return Grid(size, spacing, (x, y, z), direction), straight


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

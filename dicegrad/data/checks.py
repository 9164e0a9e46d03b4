"""Whether the cases can be used: headers before anything is computed, voxels where they are read.

Every problem is one line that names the file, the value and how to mend it; all of them are
collected before the first error is raised.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from dicegrad.data.adapter import Adapter, Case
from dicegrad.data.cases import repeated, summary
from dicegrad.errors import InputError

# Headers hold float32 and are written by many tools; a tenth is no rounding any more.
SPACING_TOLERANCE = 0.1
_UNREADABLE = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error)


@dataclass(frozen=True)
class Header:
    """The part of a NIfTI header that the checks compare.

    Attributes:
        shape: Voxels per axis.
        spacing: Millimetres per axis.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]


def read_header(path: Path) -> Header:
    """Read shape and spacing, and see from the file's size that no voxel is missing.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file.

    Raises:
        InputError: The file cannot be read or ends before its last voxel.
    """
    try:
        image = nib.load(path)
        header = image.header
        shape = tuple(int(n) for n in header.get_data_shape())
        spacing = tuple(float(d) for d in header.get_zooms())
        start = int(image.dataobj.offset)
        needed = start + int(np.prod(shape, dtype=np.int64)) * header.get_data_dtype().itemsize
        held = _uncompressed_size(path, needed)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason}); fetch or write it again") from None
    if held < needed:
        raise InputError(
            f"{path}: truncated, {held} of {needed} bytes are there; fetch or write it again"
        )
    return Header(shape, spacing)


def _uncompressed_size(path: Path, needed: int) -> int:
    """Return how many bytes the file holds, uncompressed; cheap unless something is odd."""
    if not path.name.endswith(".gz"):
        return path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        # The last four bytes of a gzip member are its uncompressed size modulo 2^32.
        if int.from_bytes(stream.read(4), "little") == needed % 2**32:
            return needed
    # A cut file, but also one of several members or with padding: only reading it all can tell.
    size = 0
    with gzip.open(path) as stream:
        while block := stream.read(1 << 20):
            size += len(block)
    return size


def find_problems(cases: Iterable[Case], adapter: Adapter) -> list[str]:
    """List everything that is wrong with the cases, from file names and headers alone.

    Args:
        cases: As the adapter found them, or as read from a case table.
        adapter: Says which channels and groups there are.

    Returns:
        One line per problem, in the order of the cases; empty if all can be used.
    """
    cases = list(cases)
    problems = [] if cases else ["no case at all; see that `root` names the dataset's folder"]
    problems += [
        f"case {name}: comes more than once; give every case its own name"
        for name in repeated(case.case for case in cases)
    ]
    for case in cases:
        problems += _case_problems(case, adapter)
    return problems


def check_cases(cases: Iterable[Case], adapter: Adapter, log: Path | None = None) -> None:
    """Raise if `find_problems` finds any.

    Args:
        cases: As the adapter found them.
        adapter: Says which channels and groups there are.
        log: Where the caller has written every problem, for the message.

    Raises:
        InputError: One line: the first problem, and how many more there are.
    """
    problems = find_problems(cases, adapter)
    if problems:
        raise InputError(summary(problems, log))


def _case_problems(case: Case, adapter: Adapter) -> Iterator[str]:
    if case.group not in adapter.groups:
        known = ", ".join(adapter.groups)
        yield f"case {case.case}: group is {case.group!r}; dataset {adapter.name} has {known}"
    if len(case.images) != len(adapter.channels):
        yield (
            f"case {case.case}: {len(case.images)} images; dataset {adapter.name} has "
            f"{len(adapter.channels)} channels, {', '.join(adapter.channels)}"
        )
    yield from _missing_files(case, adapter)
    yield from header_problems((*case.images, case.label))


def _missing_files(case: Case, adapter: Adapter) -> Iterator[str]:
    there = [path.is_file() for path in case.images]
    if not case.label.is_file():
        if any(there):
            yield f"case {case.case}: image without label; add {case.label}"
        else:
            yield f"case {case.case}: neither image nor label; add {case.images[0]} and its label"
        return
    if not any(there):
        yield f"case {case.case}: label without image; add {case.images[0]}"
        return
    for channel, path, found in zip(adapter.channels, case.images, there, strict=False):
        if not found:
            yield f"case {case.case}: modality {channel} is missing; add {path}"


def header_problems(paths: Iterable[Path]) -> Iterator[str]:
    """Compare every readable volume of a case with its first.

    Args:
        paths: Its files; one that does not exist is passed over.

    Yields:
        One line per problem: a file that cannot be read, is not 3-D, or lies on another grid.
    """
    first: tuple[Path, Header] | None = None
    for path in paths:
        if not path.is_file():
            continue
        try:
            header = read_header(path)
        except InputError as error:
            yield str(error)
            continue
        if len(header.shape) != 3 or min(header.shape) < 1:
            yield (
                f"{path}: shape is {header.shape}, {len(header.shape)}-D; "
                "give one 3-D volume per file"
            )
        elif first is None:
            first = path, header
        else:
            yield from _grid_problems(*first, path, header)


def _grid_problems(path: Path, header: Header, other: Path, came: Header) -> Iterator[str]:
    mend = "both must lie on one grid; resample or replace one of them"
    if header.shape != came.shape:
        yield f"{other}: shape is {came.shape} but {path.name} has {header.shape}; {mend}"
    elif not np.allclose(header.spacing, came.spacing, rtol=SPACING_TOLERANCE, atol=0):
        ours, theirs = (tuple(round(d, 3) for d in h.spacing) for h in (header, came))
        yield f"{other}: spacing is {theirs} mm but {path.name} has {ours} mm; {mend}"


def check_voxels(
    case: Case, images: Sequence[np.ndarray], label: np.ndarray, adapter: Adapter
) -> None:
    """Check the voxels of one case, which preprocessing has read anyway.

    Args:
        case: Names the files in the message.
        images: One array per channel, or one array (C, X, Y, Z); any axis order.
        label: Raw label values, one array.
        adapter: Says which label values there are.

    Raises:
        InputError: An image with NaN or infinite voxels or with one value throughout, a label
            that is not of whole numbers, or a label value that the dataset does not have. The
            first problem, and how many more there are.
    """
    problems = image_problems(case.images, images)
    problems += _label_problems(case.label, np.asarray(label), adapter)
    if problems:
        raise InputError(summary(problems))


def image_problems(paths: Iterable[Path], images: Iterable[np.ndarray]) -> list[str]:
    """List what is wrong with the voxels of some images.

    Args:
        paths: Their files, for the message.
        images: Their voxels, any axis order.

    Returns:
        One line for each that has NaN or infinite voxels, or one value throughout.
    """
    return [
        problem
        for path, image in zip(paths, images, strict=True)
        for problem in _image_problems(path, np.asarray(image))
    ]


def _image_problems(path: Path, image: np.ndarray) -> Iterator[str]:
    # The extremes carry NaN and infinity along, without a mask of the size of the image.
    low, high = image.min(), image.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        count = int(image.size - np.isfinite(image).sum())
        what = "NaN" if np.isnan(low) else "infinite"
        yield f"{path}: {count} of {image.size} voxels are {what}; mend or replace the image"
    elif low == high:
        yield f"{path}: every voxel is {low:g}; an empty image cannot be used, replace it"


def _label_problems(path: Path, label: np.ndarray, adapter: Adapter) -> Iterator[str]:
    if not np.issubdtype(label.dtype, np.integer):
        odd = ~(label == np.rint(label))
        if odd.any():
            yield (
                f"{path}: {int(odd.sum())} voxels are not whole numbers, such as "
                f"{label[odd][0]:g}; write label values as integers"
            )
            return
    if _all_allowed(label, adapter.raw_values):
        return
    values, counts = np.unique(label, return_counts=True)
    known = ", ".join(map(str, adapter.raw_values))
    for value, count in zip(values, counts, strict=True):
        if value not in adapter.raw_values:
            yield (
                f"{path}: label value {value:g} in {count} voxels; dataset {adapter.name} has "
                f"{known}; mend the label or the dataset's settings"
            )


def _all_allowed(label: np.ndarray, allowed: Sequence[int]) -> bool:
    """Look every voxel up in a table of allowed values: far faster than sorting them."""
    low, high = label.min(), label.max()
    if low < 0 or high > max(allowed):
        return False
    table = np.zeros(max(allowed) + 1, bool)
    table[list(allowed)] = True
    index = label if label.dtype == np.uint8 else label.astype(np.intp)
    return bool(table[index].all())

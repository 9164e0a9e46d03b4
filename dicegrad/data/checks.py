"""Whether the cases can be used: headers before anything is computed, voxels where they are read.

Every problem is one line that names the file, the value and how to fix it; all of them are
collected before the first error is raised.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from dicegrad.data.adapter import Adapter, Case
from dicegrad.data.cases import repeated, summary
from dicegrad.data.geometry import difference, numbers, same_grid, same_spacing
from dicegrad.data.names import look_alikes, name_problem
from dicegrad.data.orientation import mixed_orientations
from dicegrad.data.volumes import Header, Volume, read_header
from dicegrad.errors import InputError

_ALIGN = ", or set preprocessing.align: true to resample labels to their images"


def find_problems(cases: Iterable[Case], adapter: Adapter, align: bool = False) -> list[str]:
    """List everything that is wrong with the cases, from file names and headers alone.

    Args:
        cases: As the adapter found them, or as read from a case table.
        adapter: Says which channels and groups there are.
        align: Whether a label may lie on other voxels than its image; see `Preprocessing`.

    Returns:
        One line per problem, in the order of the cases; empty if all can be used.
    """
    cases = list(cases)
    problems = [] if cases else ["no case at all; see that `root` names the dataset's folder"]
    problems += [
        f"case {name}: comes more than once; give every case its own name"
        for name in repeated(case.case for case in cases)
    ]
    problems += look_alikes("case", (case.case for case in cases))
    problems += look_alikes("subject", (case.subject for case in cases))
    problems += look_alikes("group", (case.group for case in cases))
    problems += _shared_files(cases)
    for case in cases:
        problems += _case_problems(case, adapter, align)
    return problems


def _shared_files(cases: Iterable[Case]) -> Iterator[str]:
    """Lines on files that two subjects share, or that are image and label at once.

    A fold would train on what it is tested on, or a network see the truth. Links of both kinds
    count as the file that they lead to.
    """
    first: dict[tuple[int, int], Case] = {}
    for case in cases:
        files = {_identity(p): p for p in (*case.images, case.label) if p.exists()}
        images = {_identity(p) for p in case.images if p.exists()}
        if case.label.exists() and _identity(case.label) in images:
            yield f"{case.label}: is the label map of case {case.case} and its image; correct one"
        for identity, path in files.items():
            other = first.setdefault(identity, case)
            if other.subject != case.subject:
                yield (
                    f"{path}: is a file of case {case.case} and of case {other.case}, which are of "
                    "two subjects; give each its own file, or both one subject"
                )


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _case_problems(case: Case, adapter: Adapter, align: bool) -> Iterator[str]:
    names = {case.case: "case", case.subject: "subject", case.group: "group"}
    yield from filter(None, (name_problem(kind, name) for name, kind in names.items()))
    if case.group not in adapter.groups:
        known = ", ".join(adapter.groups)
        yield f"case {case.case}: group is {case.group!r}; dataset {adapter.name} has {known}"
    if len(case.images) != len(adapter.channels):
        yield (
            f"case {case.case}: {len(case.images)} images; dataset {adapter.name} has "
            f"{len(adapter.channels)} channels, {', '.join(adapter.channels)}"
        )
    yield from _missing_files(case, adapter)
    yield from header_problems(case.images, case.label, align)


def _missing_files(case: Case, adapter: Adapter) -> Iterator[str]:
    links = [p for p in dict.fromkeys((*case.images, case.label)) if p.is_symlink()]
    if lost := [path for path in links if not path.exists()]:
        yield f"case {case.case}: {lost[0]} is a link that leads nowhere; put the file there"
        return
    there = [path.exists() for path in case.images]
    if not case.label.exists():
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


def header_problems(
    images: Iterable[Path], label: Path | None = None, align: bool = False
) -> Iterator[str]:
    """Read the headers of a case, and see that all its volumes lie on the same voxels.

    Args:
        images: One file per channel, see `read_channels`; one that does not exist is passed over.
        label: The label map, if there is one.
        align: Whether the label may lie on other voxels.

    Yields:
        One line per problem: a file that cannot be read, holds no single volume, or lies elsewhere.
    """
    headers: list[tuple[Path, Header]] = []
    for path, channels in [*Counter(images).items(), *([(label, 1)] if label else [])]:
        if not path.exists():
            continue
        try:
            headers.append((path, read_header(path, channels)))
        except InputError as error:
            yield str(error)
    yield from geometry_problems(headers, label, align)


def geometry_problems(
    headers: Sequence[tuple[Path, Header]], label: Path | None = None, align: bool = False
) -> Iterator[str]:
    """Compare every volume of a case with the first, and with the first that has a place.

    Args:
        headers: Files and their headers.
        label: Which of them is the label map.
        align: Whether the label may lie on other voxels, which then takes a place.
    """
    for number, (other, came) in enumerate(headers[1:], start=1):
        movable = other == label and came.placed and headers[0][1].placed
        if movable and align:
            continue
        placed = [each for each in headers[:number] if each[1].placed]
        for path, header in dict.fromkeys((headers[0], *placed[:1])):
            if problem := geometry_problem(path, header, other, came):
                yield problem + (_ALIGN if movable else "")
                break


def geometry_problem(path: Path, header: Header, other: Path, came: Header) -> str | None:
    """What is wrong where two volumes should lie on the same voxels.

    Args:
        path: A volume.
        header: Where it lies.
        other: Another one, such as its label map.
        came: Where that lies.

    Returns:
        One line that names both and how they differ; None where the second has the same size and
        each of its voxels lies within a tenth of a voxel of its counterpart. Where one of them says
        nothing of place, size and spacing alone are compared.
    """
    one, two = header.grid, came.grid
    fix = "resample one of them to the other, or replace it"
    if one.size != two.size:
        return f"{other}: shape is {two.size}, and {path} has {one.size}; {fix}"
    if not (header.placed and came.placed):
        if same_spacing(one, two):
            return None
        return (
            f"{other}: spacing is {numbers(two.spacing)} mm, and {path} has "
            f"{numbers(one.spacing)} mm; {fix}"
        )
    if same_grid(one, two):
        return None
    return f"{other}: does not lie where {path} lies: {difference(one, two)}; {fix}"


def orientation_line(cases: Iterable[Case]) -> str | None:
    """A line on images whose axes run in different directions; None where all run alike."""
    return mixed_orientations(
        [read_header(case.images[0], case.images.count(case.images[0])) for case in cases]
    )


def check_geometry(
    case_images: Sequence[Path],
    images: Sequence[Volume],
    label: tuple[Path, Volume] | None = None,
    align: bool = False,
) -> None:
    """As `header_problems`, for volumes that have been read.

    Raises:
        InputError: They do not lie on the same voxels. The first problem, and how many more.
    """
    pairs = [(p, v.header) for p, v in zip(case_images, images, strict=True)]
    if label is not None:
        pairs.append((label[0], label[1].header))
    if problems := list(geometry_problems(pairs, label[0] if label else None, align)):
        raise InputError(summary(problems))


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
        yield f"{path}: {count} of {image.size} voxels are {what}; fix or replace the image"
    elif np.float32(low) == np.float32(high):  # in which all is computed
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
                f"{known}; fix the label or the dataset's settings"
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

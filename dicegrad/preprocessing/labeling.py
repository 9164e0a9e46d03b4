"""Apply a labeling: which maps are annotated after it, and the training labels."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from dicegrad.data.adapter import Case
from dicegrad.errors import InputError
from dicegrad.files import Columns, read_rows, write_table
from dicegrad.study.labeling import Labeling, Removal

IGNORE = 255  # in prepared labels, a voxel of which no label is known
ANNOTATED = Columns(text=("case",), rest="flag")


def voxel_volumes(spacings: Iterable[Sequence[float]]) -> np.ndarray:
    """(N,) mm³ of a voxel, from the spacings of N grids in mm."""
    # Six digits: spacings of a header are rounded to single precision, and structures of as many
    # voxels should stay equal.
    return np.array([float(f"{math.prod(spacing):.6g}") for spacing in spacings])


def annotated_maps(
    cases: Sequence[Case],
    classes: Sequence[str],
    labeling: Labeling,
    voxels: np.ndarray,
    voxel_mm3: np.ndarray,
) -> np.ndarray:
    """Which maps are annotated under a labeling.

    Args:
        cases: N cases; what was annotated in the data themselves is part of them.
        classes: Names of the K classes, in network order.
        labeling: What is taken away.
        voxels: (N, K) voxels of each class in each case, full labels.
        voxel_mm3: (N,) volume of a voxel of each case; on a grid with a `native` spacing they
            differ.

    Returns:
        (N, K) bool.

    Raises:
        InputError: A group that no case is of, or a share that is not one subject.
    """
    annotated = np.array(
        [[case.annotated is None or name in case.annotated for name in classes] for case in cases]
    ).reshape(len(cases), len(classes))
    for removal in labeling.removals:
        concerned = _concerned(cases, removal, labeling.name)
        if removal.slices is not None:
            continue
        for k, name in enumerate(classes):
            if not removal.classes or name in removal.classes:
                gone = concerned & _smallest(voxels[:, k] * voxel_mm3, concerned, removal.smallest)
                annotated[gone, k] = False
    return annotated


def _concerned(cases: Sequence[Case], removal: Removal, labeling: str) -> np.ndarray:
    """(N,) bool: the cases that a removal is about."""
    groups = {case.group for case in cases}
    if removal.group is not None and removal.group not in groups:
        raise InputError(
            f"labeling {labeling}: no case is of group {removal.group!r}; the groups are "
            f"{', '.join(sorted(groups))}"
        )
    of_group = [case for case in cases if removal.group in (None, case.group)]
    subjects = _random_order({case.subject for case in of_group}, removal.seed)
    first, last = (int(edge * len(subjects) + 0.5) for edge in removal.share)
    chosen = set(subjects[first:last])
    if not chosen:
        raise InputError(
            f"labeling {labeling}: that share of {len(subjects)} subjects"
            + (f" of group {removal.group}" if removal.group else "")
            + " is none; take a larger one"
        )
    return np.array(
        [case.subject in chosen and removal.group in (None, case.group) for case in cases]
    )


def _random_order(subjects: set[str], seed: int) -> list[str]:
    """The subjects in an order that looks random and never changes: a share is part of a larger."""

    def place(subject: str) -> bytes:
        text = subject if seed == 0 else f"{seed}/{subject}"
        return hashlib.sha256(text.encode()).digest()

    return sorted(subjects, key=place)


def _smallest(volumes: np.ndarray, concerned: np.ndarray, share: float | None) -> np.ndarray:
    """(N,) bool: the share of the cases concerned with the smallest volume above 0."""
    if share is None:
        return np.ones(len(volumes), bool)
    filled = np.flatnonzero(concerned & (volumes > 0))
    order = filled[np.argsort(volumes[filled], kind="stable")]
    chosen = np.zeros(len(volumes), bool)
    chosen[order[: int(share * len(order) + 0.5)]] = True
    return chosen


def slice_steps(cases: Sequence[Case], labeling: Labeling) -> list[tuple[int, ...]]:
    """Of each case, the n of every entry that keeps only every n-th of its slices.

    Args:
        cases: All N cases of the dataset, since a share is one of its subjects.
        labeling: What is taken away.

    Returns:
        N tuples; an empty one keeps all slices.

    Raises:
        InputError: As `annotated_maps`.
    """
    steps: list[tuple[int, ...]] = [()] * len(cases)
    for removal in labeling.removals:
        if removal.slices is not None:
            for number in np.flatnonzero(_concerned(cases, removal, labeling.name)):
                steps[number] += (removal.slices,)
    return steps


def _kept_slices(steps: Sequence[int], depth: int) -> np.ndarray:
    """(Z,) bool: the slices of a case that stay, which is at least one of each entry."""
    kept = np.ones(depth, bool)
    for step in steps:
        # The first one is half a step from the edge; where the case ends before that, the middle
        # one is kept.
        first = step // 2 if step // 2 < depth else (depth - 1) // 2
        kept &= np.arange(depth) % step == first
    if not kept.any():
        raise InputError(
            f"slices {' and '.join(map(str, steps))} of one labeling keep none of the {depth} "
            "slices of a case together; let its entries be of different cases"
        )
    return kept


def apply_labeling(
    labels: np.ndarray,
    annotated: np.ndarray,
    steps: Sequence[Sequence[int]],
    overlapping: bool = False,
) -> np.ndarray:
    """The training labels: maps that are not annotated become background, as in the paper.

    Args:
        labels: (N, X, Y, Z) uint8, 0 background, k for the k-th class, `IGNORE`. It is left as it
            is.
        annotated: (N, K) bool, from `annotated_maps`.
        steps: Of each case which slices stay, from `slice_steps`; the others become `IGNORE`.
        overlapping: Whether the k-th bit stands for the k-th class instead; see `Coding`.

    Returns:
        (N, X, Y, Z) uint8.

    Raises:
        InputError: Entries that together keep no slice of a case.
    """
    # One look-up table per case: value k stays k, or becomes 0; or its bit does.
    count = annotated.shape[1]
    if overlapping:
        bits = (annotated * 2 ** np.arange(count)).sum(axis=1, keepdims=True)
        tables = (np.arange(256) & bits).astype(np.uint8)
    else:
        tables = np.zeros((len(labels), 256), np.uint8)
        tables[:, 1 : count + 1] = np.arange(1, count + 1) * annotated
    tables[:, IGNORE] = IGNORE
    result = np.stack([table[label] for table, label in zip(tables, labels, strict=True)])
    for label, of_case in zip(result, steps, strict=True):
        label[:, :, ~_kept_slices(of_case, label.shape[2])] = IGNORE
    return result


def write_annotated(
    path: Path, cases: Sequence[str], classes: Sequence[str], annotated: np.ndarray
) -> None:
    """Write which maps are annotated: case, then a column of True and False per class."""
    rows = [
        {"case": case, **dict(zip(classes, flags.tolist(), strict=True))}
        for case, flags in zip(cases, annotated, strict=True)
    ]
    write_table(rows, path, header=("case", *classes))


def read_annotated(path: Path, cases: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Read what `write_annotated` wrote: (N, K) bool.

    Raises:
        InputError: The table is damaged, or of other cases or classes.
    """
    rows = read_rows(path, ANNOTATED)
    if [row["case"] for row in rows] != list(cases):
        raise InputError(f"{path}: is of other cases; delete it to make it again")
    if absent := [name for name in classes if rows and name not in rows[0]]:
        raise InputError(f"{path}: has no class {absent[0]!r}; delete it to make it again")
    return np.array([[row[name] for name in classes] for row in rows], bool)

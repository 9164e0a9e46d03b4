"""The heuristic epsilon: the mean volume of a class over the training cases (Sect. 2.3)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dicegrad.data.adapter import Case
from dicegrad.errors import InputError
from dicegrad.files import Columns, read_rows, write_table
from dicegrad.preprocessing.coding import Coding
from dicegrad.preprocessing.folds import read_folds
from dicegrad.preprocessing.labeling import read_annotated

VOLUMES = Columns(text=("case",), rest="whole")
EPSILON = Columns(
    text=("dataset", "labeling", "class"),
    whole=("fold",),
    numbers=("epsilon",),
    flags=("annotated_only",),
    optional=("annotated_only",),
)


def class_volumes(labels: np.ndarray, classes: int, overlapping: bool = False) -> np.ndarray:
    """Number of voxels of each class in each case.

    Args:
        labels: (N, X, Y, Z) uint8, 0 background, 1 .. K classes, others not counted; it may be
            memory-mapped.
        classes: K.
        overlapping: Whether the k-th bit stands for the k-th class instead; see `Coding`.

    Returns:
        (N, K) int64.
    """
    coding = Coding(classes, overlapping)
    return np.stack([coding.counts(label) for label in labels])


def mean_volumes(
    volumes: np.ndarray,
    groups: Sequence[str],
    sampling: Mapping[str, int] | None = None,
    annotated: np.ndarray | None = None,
) -> np.ndarray:
    """The mean class volume over a training list, empty maps counted as 0.

    With it, an empty map's gradient is as large as it can be: eps / (v + eps)^2 has its maximum
    over eps, 1 / (4 v), at eps = v.

    Args:
        volumes: (N, K) voxels per class of the training cases, under the labeling trained on.
        groups: The group of each case.
        sampling: How often the cases of a group are listed; once where it is not named.
        annotated: (N, K) bool, the maps that count; all of them if it is not given.

    Returns:
        (K,) float64, in voxels; 0 for a class without a map that counts.

    Raises:
        InputError: ``sampling`` names a group that no case is of, or there is no case.

    Example:
        >>> mean_volumes(np.array([[100], [0]]), ["ED", "ES"], {"ED": 3})
        array([75.])
    """
    sampling = sampling or {}
    if len(volumes) == 0:
        raise InputError("epsilon: heuristic needs training cases; the fold has none")
    for group in sampling:
        if group not in groups:
            known = ", ".join(sorted(set(groups)))
            raise InputError(f"sampling: no case is of group {group!r}; the groups are {known}")
    times = np.array([sampling.get(group, 1) for group in groups])
    if annotated is None:
        return times @ np.asarray(volumes) / times.sum()
    counted = times[:, None] * annotated
    return (counted * volumes).sum(0) / np.maximum(counted.sum(0), 1)


def write_volumes(
    path: Path, cases: Sequence[str], classes: Sequence[str], volumes: np.ndarray
) -> None:
    """Write the class volumes (N, K) of N cases in voxels: case, then a column per class."""
    rows = [
        {"case": case, **dict(zip(classes, counts.tolist(), strict=True))}
        for case, counts in zip(cases, volumes, strict=True)
    ]
    write_table(rows, path, header=("case", *classes))


def read_volumes(path: Path) -> tuple[list[str], np.ndarray]:
    """Read what `write_volumes` wrote: the classes, and the volumes (N, K) int64."""
    rows = read_rows(path, VOLUMES)
    if not rows:
        raise InputError(f"{path}: holds no case; delete it to make it again")
    classes = [name for name in rows[0] if name != "case"]
    return classes, np.array([[row[name] for name in classes] for row in rows], dtype=np.int64)


def epsilon_of_folds(
    volumes: np.ndarray,
    folds: Sequence[int],
    groups: Sequence[str],
    count: int,
    sampling: Mapping[str, int] | None = None,
    annotated: np.ndarray | None = None,
) -> np.ndarray:
    """The heuristic epsilon of each fold's training cases, those that it does not hold out.

    Args:
        volumes: (N, K) voxels per class of all cases, under the labeling trained on.
        folds: The fold of each case, 0-based.
        groups: The group of each case.
        count: Number of folds.
        sampling: As for `mean_volumes`.
        annotated: As for `mean_volumes`.

    Returns:
        (count, K) float64, in voxels.
    """
    rows = []
    for fold in range(count):
        train = [number for number, of_case in enumerate(folds) if of_case != fold]
        counted = None if annotated is None else annotated[train]
        of_train = [groups[i] for i in train]
        rows.append(mean_volumes(volumes[train], of_train, sampling, counted))
    return np.stack(rows)


def dataset_epsilon(
    cases: Sequence[Case],
    folds: Path,
    count: int,
    volumes: Path,
    sampling: Mapping[str, int] | None = None,
    annotated: Path | None = None,
) -> tuple[list[str], np.ndarray]:
    """The heuristic epsilon of every fold and class, from the files of one labeling.

    Args:
        cases: All cases of the dataset.
        folds: Fold of each subject.
        count: Number of folds.
        volumes: Voxels of each class in each case.
        sampling: As for `mean_volumes`.
        annotated: Which maps count; all of them if it is not given.

    Returns:
        The K classes, and the epsilons (count, K) float64, in voxels.

    Raises:
        InputError: A file is damaged; see also `mean_volumes`.
    """
    of_subject = read_folds(folds, {case.subject for case in cases}, count)
    classes, voxels = read_volumes(volumes)
    names = [case.case for case in cases]
    counted = read_annotated(annotated, names, classes) if annotated else None
    of_case, groups = [of_subject[case.subject] for case in cases], [case.group for case in cases]
    return classes, epsilon_of_folds(voxels, of_case, groups, count, sampling, counted)


def epsilon_rows(
    dataset: str, labeling: str, classes: Sequence[str], epsilon: np.ndarray
) -> list[dict[str, object]]:
    """Rows of epsilon.tsv: one per fold and class; epsilon in voxels, three decimals.

    Args:
        dataset: Its name.
        labeling: The labeling.
        classes: K of them.
        epsilon: (folds, K).
    """
    return [
        {
            "dataset": dataset,
            "labeling": labeling,
            "fold": fold,
            "class": name,
            "epsilon": round(float(value), 3),
        }
        for fold, values in enumerate(epsilon)
        for name, value in zip(classes, values, strict=True)
    ]


def epsilon_of_study(tables: Mapping[Path, bool]) -> list[dict[str, object]]:
    """Rows of the epsilon.tsv of a study, in which a labeling can have two heuristics.

    Args:
        tables: The table of each dataset and labeling: whether only annotated maps count in it.

    Returns:
        Their rows with the column `annotated_only`.
    """
    return [
        {**row, "annotated_only": only}
        for path, only in tables.items()
        for row in read_rows(path, EPSILON)
    ]


def write_epsilon(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write epsilon.tsv, the rows of `epsilon_rows` or `epsilon_of_study`."""
    told = ("annotated_only",) if any("annotated_only" in row for row in rows) else ()
    header = ("dataset", "labeling", *told, "fold", "class", "epsilon")
    write_table(rows, path, header=header, digits=12)


def read_epsilon(path: Path, fold: int, classes: Sequence[str]) -> list[float]:
    """Read the epsilons of one fold from an epsilon.tsv of one dataset and labeling.

    Args:
        path: Written by `write_epsilon`.
        fold: 0-based.
        classes: Classes whose epsilons are wanted, in network order.

    Returns:
        One epsilon per class, in voxels, above 0.

    Raises:
        InputError: The table has no such fold or class, has it twice, or a class is in no training
            case.
    """
    rows = [row for row in read_rows(path, EPSILON) if row["fold"] == fold]
    names = [row["class"] for row in rows]
    found = {row["class"]: row["epsilon"] for row in rows}
    for name in classes:
        if name not in found:
            raise InputError(
                f"{path}: no epsilon of class {name!r} in fold {fold}; delete the table to make it "
                "again"
            )
        if names.count(name) > 1:
            raise InputError(
                f"{path}: has two epsilons of class {name} in fold {fold}; give the table of one "
                "labeling, such as resources/<dataset>/epsilon/<labeling>.tsv"
            )
        if not found[name] > 0:
            raise InputError(
                f"{path}: the heuristic epsilon of class {name} in fold {fold} is "
                f"{found[name]:g}: no training case of that fold has {name} in its labels; assign "
                "the folds differently, leave the class out, or write a number as epsilon"
            )
    return [found[name] for name in classes]

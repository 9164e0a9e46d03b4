"""The heuristic epsilon: the mean volume of a class over the training cases."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dicegrad.errors import InputError

HEURISTIC = "heuristic"
NONE = "none"  # of a loss that has no epsilon


def heuristic_multiple(text: str) -> float | None:
    """How many times the heuristic an epsilon of the experiment table is.

    Args:
        text: A number of voxels, ``heuristic``, a multiple such as ``0.1xheuristic``, or ``none``.

    Returns:
        The factor; None for a number of voxels and for ``none``.

    Raises:
        InputError: The factor is not a number above 0.

    Example:
        >>> heuristic_multiple("heuristic"), heuristic_multiple("0.1xheuristic")
        (1.0, 0.1)
        >>> heuristic_multiple("1e-7")
    """
    if not text.endswith(HEURISTIC):
        return None
    factor = text.removesuffix(HEURISTIC) or "1x"
    try:
        multiple = float(factor.removesuffix("x")) if factor.endswith("x") else 0.0
    except ValueError:
        multiple = 0.0
    if not 0 < multiple < math.inf:
        raise InputError(f"epsilon is {text!r}; write a multiple of the heuristic as 0.1xheuristic")
    return multiple


def epsilon_number(text: str) -> float:
    """An epsilon that is a number of voxels.

    Raises:
        InputError: It is none, or not above 0, which the Dice of two empty maps needs.
    """
    try:
        epsilon = float(text)
    except ValueError:
        raise InputError(
            f"epsilon is {text!r}; give a number, heuristic, or 0.1xheuristic"
        ) from None
    if not 0 < epsilon < math.inf:
        raise InputError(
            f"epsilon is {text}, but Dice of two empty maps needs one above 0; write, say, 1e-7"
        )
    return epsilon


def class_volumes(labels: np.ndarray, classes: int) -> np.ndarray:
    """Number of voxels of each class in each case.

    Args:
        labels: (N, X, Y, Z) uint8, 0 background, 1 .. K classes; it may be memory-mapped.
        classes: K.

    Returns:
        (N, K) int64.
    """
    counts = [np.bincount(label.ravel(), minlength=classes + 1)[1:] for label in labels]
    return np.stack(counts)


def heuristic_epsilon(
    volumes: np.ndarray, groups: Sequence[str], sampling: Mapping[str, int] | None = None
) -> np.ndarray:
    """The mean class volume over a training list, empty maps counted as 0.

    With it, an empty map's gradient is as large as it can be: eps / (v + eps)^2 has its maximum
    over eps, 1 / (4 v), at eps = v.

    Args:
        volumes: (N, K) voxels per class of the training cases, under the labeling trained on.
        groups: The group of each case.
        sampling: How often the cases of a group are listed; once where it is not named.

    Returns:
        (K,) float64, in voxels.

    Raises:
        InputError: ``sampling`` names a group that no case is of, or there is no case.

    Example:
        >>> heuristic_epsilon(np.array([[100], [0]]), ["ED", "ES"], {"ED": 3})
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
    return times @ np.asarray(volumes) / times.sum()


def write_volumes(
    path: Path, cases: Sequence[str], classes: Sequence[str], volumes: np.ndarray
) -> None:
    """Write the class volumes (N, K) of N cases in voxels: case, then a column per class."""
    lines = ["\t".join(("case", *classes))]
    lines += ["\t".join(map(str, (case, *row))) for case, row in zip(cases, volumes, strict=True)]
    path.write_text("\n".join(lines) + "\n")


def read_volumes(path: Path) -> tuple[list[str], np.ndarray]:
    """Read what `write_volumes` wrote: the classes, and the volumes (N, K) int64."""
    header, *lines = (line.split("\t") for line in path.read_text().splitlines())
    return header[1:], np.array([line[1:] for line in lines], dtype=np.int64)


def epsilon_of_folds(
    volumes: np.ndarray,
    folds: Sequence[int],
    groups: Sequence[str],
    count: int,
    sampling: Mapping[str, int] | None = None,
) -> np.ndarray:
    """The heuristic epsilon of each fold's training cases, those that it does not hold out.

    Args:
        volumes: (N, K) voxels per class of all cases, under the labeling trained on.
        folds: The fold of each case, 0-based.
        groups: The group of each case.
        count: Number of folds.
        sampling: As for `heuristic_epsilon`.

    Returns:
        (count, K) float64, in voxels.
    """
    rows = []
    for fold in range(count):
        train = [number for number, of_case in enumerate(folds) if of_case != fold]
        rows.append(heuristic_epsilon(volumes[train], [groups[i] for i in train], sampling))
    return np.stack(rows)


def write_epsilon(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write epsilon.tsv: one row per dataset, labeling, fold and class; epsilon in voxels."""
    columns = ("dataset", "labeling", "fold", "class", "epsilon")
    lines = ["\t".join(columns)]
    lines += ["\t".join(str(row[column]) for column in columns) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def read_epsilon(path: Path, fold: int, classes: Sequence[str]) -> list[float]:
    """Read the epsilons of one fold from an epsilon.tsv of one dataset and labeling.

    Args:
        path: Written by `write_epsilon`.
        fold: 0-based.
        classes: Classes whose epsilons are wanted, in network order.

    Returns:
        One epsilon per class, in voxels.

    Raises:
        InputError: The table has no such fold or class.
    """
    header, *lines = (line.split("\t") for line in path.read_text().splitlines())
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    found = {row["class"]: float(row["epsilon"]) for row in rows if row["fold"] == str(fold)}
    for name in classes:
        if name not in found:
            raise InputError(f"{path}: no epsilon of class {name!r} in fold {fold}; make it anew")
    return [found[name] for name in classes]

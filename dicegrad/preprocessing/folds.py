"""Folds: which subjects are held out together."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from dicegrad.data.adapter import Case
from dicegrad.errors import InputError
from dicegrad.files import Columns, read_rows, write_table

FOLDS = Columns(text=("subject",), whole=("fold",))


def make_folds(
    cases: Sequence[Case], count: int, method: str = "stratified", seed: int = 0
) -> dict[str, int]:
    """Assign subjects to folds, so that all cases of a subject are in the same one.

    - ``modulo``: the i-th subject in sorted order goes to fold i mod ``count`` (ACDC).
    - ``legacy_shuffle``: subjects sorted by group, then name, shuffled by NumPy's legacy generator,
      cut into consecutive slices of equal length (BRATS).
    - ``stratified``: subjects of the same groups are shuffled and assigned in turn, so that every
      fold has its share of each group.

    Args:
        cases: The cases of the dataset.
        count: Number of folds, 2 or more.
        method: One of the three.
        seed: Seed of the shuffles.

    Returns:
        subject -> fold (0-based), in sorted order of subjects.

    Raises:
        InputError: There are fewer subjects than folds.
    """
    groups: dict[str, tuple[str, ...]] = {}
    for case in cases:
        groups[case.subject] = tuple(sorted({*groups.get(case.subject, ()), case.group}))
    subjects = sorted(groups)
    if len(subjects) < count:
        raise InputError(f"folds: count is {count}, but there are only {len(subjects)} subjects")
    if method == "modulo":
        return {subject: i % count for i, subject in enumerate(subjects)}
    deal = _legacy_shuffle if method == "legacy_shuffle" else _stratified
    folds = deal(groups, count, seed)
    return {subject: folds[subject] for subject in subjects}


def _legacy_shuffle(groups: Mapping[str, tuple[str, ...]], count: int, seed: int) -> dict[str, int]:
    """Cut one shuffled list of all subjects into slices."""
    order = sorted(groups, key=lambda subject: (groups[subject], subject))
    np.random.RandomState(seed).shuffle(order)
    slices = np.array_split(np.array(order), count)
    return {str(subject): fold for fold, part in enumerate(slices) for subject in part}


def _stratified(groups: Mapping[str, tuple[str, ...]], count: int, seed: int) -> dict[str, int]:
    """Assign the shuffled subjects of each stratum in turn, starting where the last one stopped."""
    generator = np.random.default_rng(seed)
    order = []
    for stratum in sorted(set(groups.values())):
        members = sorted(subject for subject in groups if groups[subject] == stratum)
        order += [members[i] for i in generator.permutation(len(members))]
    return {subject: i % count for i, subject in enumerate(order)}


def write_folds(path: Path, folds: dict[str, int]) -> None:
    """Write folds.tsv (subject, fold), which a user may edit."""
    write_table(({"subject": s, "fold": f} for s, f in folds.items()), path, ("subject", "fold"))


def read_folds(path: Path, subjects: Collection[str], count: int) -> dict[str, int]:
    """Read folds.tsv, perhaps edited by hand.

    Args:
        path: The table, with columns subject and fold.
        subjects: The dataset's subjects.
        count: Number of folds; folds are 0 .. count - 1.

    Raises:
        InputError: A subject is in two folds, unknown, or missing; a fold is out of range or empty.
    """
    known, folds = set(subjects), {}
    for row in read_rows(path, FOLDS):
        subject, fold = row["subject"].strip(), row["fold"]
        if subject not in known:
            raise InputError(f"{path}: subject {subject!r} is not in the dataset; remove the line")
        if subject in folds:
            raise InputError(f"{path}: subject {subject!r} is listed twice; keep it in one fold")
        if not 0 <= fold < count:
            raise InputError(f"{path}: fold of {subject} is {fold}; give 0 to {count - 1}")
        folds[subject] = fold
    absent = sorted(known - set(folds))
    if absent:
        raise InputError(f"{path}: subject {absent[0]!r} has no fold; add a line for it")
    idle = sorted(set(range(count)) - set(folds.values()))
    if idle:
        raise InputError(f"{path}: fold {idle[0]} has no subject; give it one")
    return folds


def held_out(cases: Sequence[Case], path: Path, count: int, fold: int) -> list[bool]:
    """Which cases a fold holds out: the one place where that is worked out.

    Args:
        cases: The case table.
        path: folds.tsv of the dataset.
        count: Number of folds.
        fold: 0-based.

    Raises:
        InputError: See `read_folds`.
    """
    folds = read_folds(path, {case.subject for case in cases}, count)
    return [folds[case.subject] == fold for case in cases]

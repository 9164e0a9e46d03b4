"""Folds: which subjects are held out together."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from dicegrad.data.adapter import Case
from dicegrad.errors import InputError
from dicegrad.files import Columns, read_json, read_rows, write_table

FOLDS = Columns(text=("subject",), whole=("fold",))


def count_problem(cases: Sequence[Case], count: int) -> str | None:
    """A line where there are more folds than subjects, one of which each needs; else None."""
    there = len({case.subject for case in cases})
    if there >= count:
        return None
    return f"folds: count is {count}, but there are only {there} subjects; write fewer, at least 2"


def make_folds(
    cases: Sequence[Case],
    count: int,
    method: str = "stratified",
    seed: int = 0,
    filled: np.ndarray | None = None,
) -> dict[str, int]:
    """Assign subjects to folds, so that all cases of a subject are in the same one.

    - ``modulo``: the i-th subject in sorted order goes to fold i mod ``count`` (ACDC).
    - ``legacy_shuffle``: subjects sorted by group, then name, shuffled by NumPy's legacy generator,
      cut into consecutive slices of equal length (BRATS).
    - ``stratified``: subjects of the same groups are shuffled and assigned in turn, so that every
      fold has its share of each group.
    - ``balanced``: the same for subjects of the same groups in whose cases the same classes are
      annotated and filled.

    Args:
        cases: The cases of the dataset.
        count: Number of folds, 2 or more.
        method: One of the four.
        seed: Seed of the shuffles.
        filled: (N, K) bool, which maps have a voxel; only `balanced` looks at it.

    Returns:
        subject -> fold (0-based), in sorted order of subjects.

    Raises:
        InputError: There are fewer subjects than folds.
    """
    strata = [case.group for case in cases]
    if method == "balanced" and filled is not None:
        strata = [_stratum(case, flags) for case, flags in zip(cases, filled.tolist(), strict=True)]
    groups: dict[str, tuple[str, ...]] = {}
    for case, stratum in zip(cases, strata, strict=True):
        groups[case.subject] = tuple(sorted({*groups.get(case.subject, ()), stratum}))
    subjects = sorted(groups)
    if problem := count_problem(cases, count):
        raise InputError(problem)
    if method == "modulo":
        return {subject: i % count for i, subject in enumerate(subjects)}
    deal = _legacy_shuffle if method == "legacy_shuffle" else _stratified
    folds = deal(groups, count, seed)
    return {subject: folds[subject] for subject in subjects}


def _stratum(case: Case, filled: Sequence[bool]) -> str:
    """What cases that folds should share evenly have in common."""
    return f"{case.group} {case.annotated} {filled}"


def read_splits(path: Path, cases: Sequence[str]) -> dict[str, int]:
    """The fold of each case by nnU-Net's `splits_final.json`: the one that validates on it.

    Args:
        path: A list of folds, each an object with the lists `train` and `val` of case names.
        cases: Those of the dataset.

    Raises:
        InputError: The file is of another form, or of other cases; a case is validated on in no
            fold or in two; or a fold does not train on all the others.
    """
    splits = read_json(path)
    if not isinstance(splits, list) or not all(map(_is_split, splits)):
        raise InputError(
            f'{path}: is no list of folds {{"train": [...], "val": [...]}} with names of cases; '
            "correct or remove it"
        )
    folds: dict[str, int] = {}
    for fold, split in enumerate(splits):
        if not split["val"]:
            raise InputError(f"{path}: `val` of fold {fold} is empty; name cases, or remove it")
        for name in split["val"]:
            if folds.get(name) == fold:
                raise InputError(f"{path}: case {name} is in `val` of fold {fold} twice; keep one")
            if name in folds:
                raise InputError(f"{path}: case {name} is in `val` of two folds; keep one")
            folds[name] = fold
    known = set(cases)
    if unknown := [name for name in folds if name not in known]:
        raise InputError(f"{path}: case {unknown[0]!r} is not in the dataset; remove it")
    if absent := sorted(known - set(folds)):
        raise InputError(
            f"{path}: case {absent[0]} is in `val` of no fold; add it, or remove the file to have "
            "folds drawn"
        )
    for fold, split in enumerate(splits):
        _check_train(fold, set(split["train"]), {n for n in known if folds[n] != fold}, path)
    return folds


def _is_split(split: object) -> bool:
    """Whether something is a fold of `splits_final.json`."""
    return isinstance(split, dict) and all(
        isinstance(names := split.get(part), list) and all(isinstance(n, str) for n in names)
        for part in ("train", "val")
    )


def _check_train(fold: int, train: set[str], others: set[str], path: Path) -> None:
    """See that a fold trains on what it does not validate on: a study knows of no other folds."""
    if absent := sorted(others - train):
        raise InputError(
            f"{path}: case {absent[0]} is neither in `train` nor in `val` of fold {fold}, and a "
            "fold of a study trains on all that it does not validate on; add it to `train`, or "
            "take it out of the data"
        )
    if beyond := sorted(train - others):
        raise InputError(
            f"{path}: `train` of fold {fold} has {beyond[0]}, which is in its `val`, or no case of "
            "the dataset; remove it"
        )


def folds_of_splits(cases: Sequence[Case], path: Path, count: int) -> dict[str, int]:
    """Subject -> fold, by nnU-Net's splits.

    Raises:
        InputError: See `read_splits`; or a subject is in two folds, or `count` is another number.
    """
    splits = read_splits(path, [case.case for case in cases])
    if (there := max(splits.values(), default=-1) + 1) != count:
        raise InputError(f"{path}: has {there} folds, but folds.count is {count}; write {there}")
    folds: dict[str, int] = {}
    for case in cases:
        if folds.setdefault(case.subject, splits[case.case]) != splits[case.case]:
            raise InputError(
                f"{path}: cases of subject {case.subject} are in two folds; keep them in one"
            )
    return dict(sorted(folds.items()))


def _legacy_shuffle(groups: Mapping[str, tuple[str, ...]], count: int, seed: int) -> dict[str, int]:
    """Cut one shuffled list of all subjects into slices."""
    order = sorted(groups, key=lambda subject: (groups[subject], subject))
    np.random.RandomState(seed).shuffle(order)
    slices = np.array_split(np.array(order), count)
    return {str(subject): fold for fold, part in enumerate(slices) for subject in part}


def _stratified(groups: Mapping[str, tuple[str, ...]], count: int, seed: int) -> dict[str, int]:
    """Assign the shuffled subjects of each stratum in turn, starting where the last one stopped."""
    return {subject: i % count for i, subject in enumerate(_by_stratum(groups, seed))}


def _by_stratum(groups: Mapping[str, tuple[str, ...]], seed: int) -> list[str]:
    """The subjects, one stratum after the other, shuffled within each."""
    generator = np.random.default_rng(seed)
    order: list[str] = []
    for stratum in sorted(set(groups.values())):
        members = sorted(subject for subject in groups if groups[subject] == stratum)
        order += [members[i] for i in generator.permutation(len(members))]
    return order


def validation_part(
    cases: Sequence[Case], held_out: Sequence[bool], share: float, fold: int
) -> list[bool]:
    """Which training cases of a fold are set aside for validation.

    The draw depends on subjects and fold alone, so that all rows of a study, and all its seeds,
    set the same subjects aside. Each group has its share, and so have the subjects in whose cases
    the same classes were looked for.

    Args:
        cases: The case table.
        held_out: Of each, whether the fold holds it out.
        share: Of the training subjects, in [0, 1); 0 sets none aside.
        fold: 0-based; the seed of the draw.

    Raises:
        InputError: The share is no subject, or all of them.
    """
    if not share:
        return [False] * len(cases)
    strata: dict[str, tuple[str, ...]] = {}
    for case, out in zip(cases, held_out, strict=True):
        if not out:
            seen = f"{case.group} {case.annotated}"
            strata[case.subject] = tuple(sorted({*strata.get(case.subject, ()), seen}))
    order = _by_stratum(strata, fold)
    count = int(share * len(order) + 0.5)
    if not 0 < count < len(order):
        raise InputError(
            f"training: validation is {share}, which of the {len(order)} training subjects of fold "
            f"{fold} leaves none to {'learn from' if count else 'validate on'}; give a "
            f"{'smaller' if count else 'larger'} share, or leave it out to validate on the "
            "held-out fold"
        )
    # Evenly along the strata: each gives its share, rounded up or down.
    chosen = {order[int((number + 0.5) * len(order) / count)] for number in range(count)}
    return [case.subject in chosen for case in cases]


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
    try:
        return _checked_folds(path, subjects, count)
    except InputError as error:  # it has no checksum, since it may be edited: damage shows here
        again = f"; or delete {path} to have it made again" if path.is_file() else ""
        raise InputError(f"{error}{again}") from None


def _checked_folds(path: Path, subjects: Collection[str], count: int) -> dict[str, int]:
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

"""The user's table of what was annotated: for each case, the classes that were looked for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dicegrad.data.adapter import Adapter, Case
from dicegrad.data.beside import find_beside
from dicegrad.errors import InputError, nearest
from dicegrad.files import Columns, read_rows, user_path

TABLE = "annotated.tsv"
ALL, NO_CLASS = "all", "none"
_COLUMNS = Columns(text=("case", "annotated"), rest="text")


def find_table(root: Path, named: str | None = None) -> Path | None:
    """The table of a dataset: the one that its file names, or annotated.tsv in its root.

    Raises:
        InputError: The named table does not exist; or see `find_beside`.
    """
    if named is not None:
        path = user_path(named)
        if not path.is_file():
            raise InputError(f"annotated: {path} does not exist; give the path of the table")
        return path
    return find_beside(root, TABLE)


def parse_classes(text: str, classes: Sequence[str], where: str) -> tuple[str, ...] | None:
    """The classes that a cell names: separated by commas, `all` (None), or `none`.

    Raises:
        InputError: It names something else.
    """
    words = [word.strip() for word in text.split(",")]
    if words == [ALL]:
        return None
    if words == [NO_CLASS]:
        return ()
    if unknown := [word for word in words if word not in classes]:
        raise InputError(
            f"{where}: annotated is {text!r}; name classes separated by commas "
            f"({', '.join(classes)}), {ALL} or {NO_CLASS}{nearest(unknown[0], classes)}"
        )
    return tuple(name for name in classes if name in words)


def format_classes(annotated: Sequence[str] | None) -> str:
    """The cell of a table: what `parse_classes` reads."""
    return ALL if annotated is None else ",".join(annotated) or NO_CLASS


def read_annotated(path: Path, classes: Sequence[str]) -> dict[str, tuple[str, ...] | None]:
    """Case -> the classes that were looked for; None is all of them.

    Args:
        path: A table with the columns case and annotated; others are skipped.
        classes: Names of the dataset's classes.

    Raises:
        InputError: The table cannot be read, names another class, or a case twice.
    """
    found: dict[str, tuple[str, ...] | None] = {}
    for row in read_rows(path, _COLUMNS):
        case = row["case"]
        if case in found:
            raise InputError(f"{path}: case {case!r} comes twice; keep one line of it")
        found[case] = parse_classes(row["annotated"], classes, f"{path}: case {case!r}")
    return found


def with_annotated(
    cases: Sequence[Case],
    table: Mapping[str, tuple[str, ...] | None],
    path: Path,
    names: Collection[str],
    what: str = "cases",
) -> tuple[list[Case], str]:
    """The cases with what was annotated in them, and a line that says how many are listed.

    Args:
        cases: Those to be marked.
        table: As `read_annotated` gives it.
        path: Where it lies.
        names: Of all cases of the dataset, for training and of a test set.
        what: What the cases are called in the line.

    Raises:
        InputError: The table names a case that the dataset does not have.
    """
    if unknown := [name for name in table if name not in names]:
        raise InputError(
            f"{path}: case {unknown[0]!r} is not in the dataset{nearest(unknown[0], names)}; "
            "correct or remove the line"
        )
    marked = [replace(case, annotated=table.get(case.case, case.annotated)) for case in cases]
    unlisted = sum(case.case not in table for case in cases)
    partly = sum(case.annotated is not None for case in marked)
    line = f"{path}: {partly} of {len(cases)} {what} are not annotated for every class"
    if unlisted:
        kept = any(case.annotated is not None for case in cases if case.case not in table)
        count_as = "keep what cases.tsv says" if kept else "count as annotated for all classes"
        line += f"; {unlisted} {what} are not listed and {count_as}"
    return marked, line


def marked_by_table(
    cases: Sequence[Case], root: Path, named: str | None, adapter: Adapter, what: str = "cases"
) -> tuple[list[Case], str | None]:
    """As `with_annotated`, with the table of a dataset; without one, the cases and no line.

    Args:
        cases: Those of the dataset, for training or of its test set.
        root: Its folder.
        named: The table that its file names, if it names one.
        adapter: Of the dataset: the table may name each case that it finds, also of a test set.
        what: See `with_annotated`.

    Raises:
        InputError: See `find_table`, `read_annotated` and `with_annotated`.
    """
    table = find_table(root, named)
    if table is None:
        return list(cases), None
    listed = read_annotated(table, tuple(adapter.class_values))
    scans = [adapter.scan(root), *([adapter.test(root)] if adapter.test else [])]
    names = {case.case for scan in scans for case in scan.cases}
    return with_annotated(cases, listed, table, names, what)


def contradictions(
    case: Case, label: np.ndarray, class_values: Mapping[str, Sequence[int]]
) -> list[str]:
    """Lines on classes that a case has voxels of, but was not annotated for.

    Args:
        case: Says what was annotated.
        label: Raw label values, any shape.
        class_values: The label values of each class.
    """
    if case.annotated is None:
        return []
    counts = {
        name: int(np.isin(label, values).sum())
        for name, values in class_values.items()
        if name not in case.annotated
    }
    return [
        f"{case.label}: has {count} voxels of {name}, but case {case.case} is annotated for "
        f"{format_classes(case.annotated)} only; add {name} to its line of the table, or remove "
        "these voxels"
        for name, count in counts.items()
        if count
    ]

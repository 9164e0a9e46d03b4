"""What a table of cases says: which classes were looked for, and which group a case belongs to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from dicegrad.advice.audit_read import read_rows
from dicegrad.errors import InputError

_ALL = {"all", "yes", "true", "1", "1.0", "y"}
_NONE = {"none", "no", "false", "0", "0.0", "n", ""}


@dataclass(frozen=True)
class CaseTable:
    """A table of cases.

    Attributes:
        path: Where it lies.
        annotated: Case -> classes that were looked for; cases without a word count as all.
        groups: Case -> group.
        cases: All cases of the table, in order.
    """

    path: Path
    annotated: Mapping[str, frozenset[str]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    cases: tuple[str, ...] = ()


def read_case_table(
    path: Path,
    known: Collection[str],
    classes: Sequence[str],
    annotated_column: str | None = None,
    group_column: str | None = None,
) -> CaseTable:
    """Read a table of cases.

    Args:
        path: Text with commas, semicolons or tabs. Its cases stand in a column ``case``; without
            one, in the column, or in two or three columns joined by ``_``, that hold the names of
            the label maps (such as patient_id and study_id).
        known: Cases that have a label map.
        classes: All classes.
        annotated_column: Column that says what was looked for: names of classes separated by
            commas, ``all`` or ``none`` (also yes and no, 1 and 0). By default ``annotated``;
            without that, columns named after classes (1 or 0); without those, everything counts as
            annotated in each case that has a label map.
        group_column: Column of the groups, such as a site or a scanner.

    Raises:
        InputError: A column is missing, a word is not understood, or no case is a label map's.
    """
    columns, rows = read_rows(path)
    for name in (annotated_column, group_column):
        if name is not None and name not in columns:
            raise InputError(f"{path}: no column {name}; columns are {', '.join(columns)}")
    keys = _case_columns(path, columns, rows, known)
    names = ["_".join(row[key] for key in keys) for row in rows]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InputError(f"{path}: case {twice} comes twice; keep one line of it")
    column = annotated_column or ("annotated" if "annotated" in columns else None)
    annotated: dict[str, frozenset[str]] = {}
    for name, row in zip(names, rows, strict=True):
        if column is not None:
            annotated[name] = _classes_of(row[column], classes, f"{path}: case {name}")
        elif set(classes) & set(columns):
            annotated[name] = frozenset(
                each
                for each in classes
                if each not in columns or _yes(row[each], f"{path}: case {name}: {each}")
            )
    groups = {}
    if group_column is not None:
        groups = {n: row[group_column] or "?" for n, row in zip(names, rows, strict=True)}
    return CaseTable(Path(path), annotated, groups, tuple(names))


def _case_columns(
    path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]], known: Collection[str]
) -> tuple[str, ...]:
    if "case" in columns:
        found = sum(row["case"] in known for row in rows)
        if found == 0:
            raise InputError(
                f"{path}: case {rows[0]['case']} has no label map, nor has another of its cases; "
                f"a case is named as its file, such as {next(iter(sorted(known)), '')}"
            )
        return ("case",)
    best = 0
    chosen: tuple[str, ...] = ()
    for count in (1, 2, 3):
        for keys in combinations(columns[:8], count):
            found = sum("_".join(row[key] for key in keys) in known for row in rows)
            if found > best:
                best, chosen = found, keys
    if not chosen:
        raise InputError(
            f"{path}: no column case, and no columns that name the label maps; add a column case "
            f"with names such as {next(iter(sorted(known)), '')}"
        )
    return chosen


def _classes_of(text: str, classes: Sequence[str], where: str) -> frozenset[str]:
    word = text.strip().lower()
    if word in _ALL:
        return frozenset(classes)
    if word in _NONE:
        return frozenset()
    named = [each.strip() for each in text.replace(";", ",").split(",") if each.strip()]
    unknown = [each for each in named if each not in classes]
    if unknown:
        raise InputError(
            f"{where}: annotated is {text!r}; give names of classes ({', '.join(classes)}) "
            "separated by commas, or all, or none"
        )
    return frozenset(named)


def _yes(text: str, where: str) -> bool:
    word = text.strip().lower()
    if word in _ALL:
        return True
    if word in _NONE:
        return False
    raise InputError(f"{where} is {text!r}; give 1 if the class was looked for, 0 if not")

"""`audit`: what is filled, empty and not annotated in a folder of label maps."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from dicegrad.advice.audit_flags import find_flags
from dicegrad.advice.audit_read import Counted, LabelFile, Labels, count_all, find_labels
from dicegrad.advice.audit_tables import CaseTable, read_case_table
from dicegrad.advice.audit_types import Counts, Flag, Map, Volumes
from dicegrad.data.annotated import TABLE
from dicegrad.data.beside import find_beside
from dicegrad.errors import InputError

EPSILONS = ("1e-7", "1e-5", "1")
Classes = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Audit:
    """What label maps hold.

    Attributes:
        source: What was read.
        cases: How many label maps there are.
        without_map: Cases of the table that have none.
        size: Median voxels of a label map, background included.
        classes: By class.
        groups: By group and class; empty where there are no groups.
        flags: Suspicious absences.
        plans: In words, what nnU-Net will learn from it; empty without its plans.
        maps: Every class of every case.
        notes: In words, values of the label maps that are of no class, and classes whose values
            occur nowhere.
    """

    source: str
    cases: int
    without_map: int
    size: float
    classes: Mapping[str, Counts]
    groups: Mapping[str, Mapping[str, Counts]]
    flags: tuple[Flag, ...]
    plans: tuple[str, ...]
    maps: tuple[Map, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; single maps are left out."""
        return {
            "source": self.source,
            "cases": self.cases,
            "without_map": self.without_map,
            "size": self.size,
            "classes": {name: each.to_dict() for name, each in self.classes.items()},
            "groups": {
                group: {name: each.to_dict() for name, each in classes.items()}
                for group, classes in self.groups.items()
            },
            "flags": [flag.to_dict() for flag in self.flags],
            "plans": list(self.plans),
            "notes": list(self.notes),
        }

    @property
    def text(self) -> str:
        """For people."""
        from dicegrad.advice.audit_text import describe

        return describe(self)


def audit(
    source: Path | str,
    *,
    classes: Classes | None = None,
    annotated: Path | str | None = None,
    annotated_column: str | None = None,
    groups: Path | str | Mapping[str, str] | None = None,
    plans: Path | str | None = None,
    report: Callable[[int], None] | None = None,
) -> Audit:
    """Count maps and volumes, and test for labels that nobody drew. Reads only labels.

    Args:
        source: A folder of label maps, an nnU-Net, MSD or ACDC root, or a case table.
        classes: Name -> values in the label map. By default those of dataset.json, or else every
            value that is found.
        annotated: Table of cases that says what was looked for, see
            `audit_tables.read_case_table`. A case of it without a label map is not annotated,
            unless it is of a test set beside the labels. By default `annotated.tsv` beside them, if
            there is one.
        annotated_column: Its column.
        groups: A column of that table, a table with columns case and group, or case -> group.
        plans: nnUNetPlans.json.
        report: Told how many label maps are read.

    Raises:
        InputError: Something cannot be read; the message names it.
    """
    found = find_labels(Path(source))
    named = classes or found.classes
    counts = count_all(found.files, report)
    named = dict(named) if named else _every_value(counts, str(source))
    table = _table(Path(source), annotated, annotated_column, groups, found, list(named))
    by_case = _groups(groups, found.files, table)
    maps = _maps(counts, named, table, by_case)
    names = list(named)
    grouped = sorted({each.group for each in maps if each.group is not None})
    totals = {name: _counts([m for m in maps if m.name == name]) for name in names}
    from dicegrad.advice.audit_plans import read_plans

    return Audit(
        str(source),
        len(counts),
        len({each.case for each in maps} - set(counts)),
        median(each.size for each in counts.values()),
        totals,
        {
            group: {
                name: _counts([m for m in maps if m.name == name and m.group == group])
                for name in names
            }
            for group in grouped
        },
        tuple(find_flags(maps, names)),
        tuple(read_plans(Path(plans), totals)) if plans else (),
        tuple(maps),
        tuple(_notes(counts, named)),
    )


def _notes(counts: Mapping[str, Counted], classes: Classes) -> Iterator[str]:
    """What a class with a wrong value, or a value that was forgotten, would hide."""
    there = Counter(value for each in counts.values() for value in each.voxels)
    values = ", ".join(map(str, sorted(there))) or "only 0"
    for name, own in classes.items():
        if not set(own) & set(there):
            listed = ", ".join(map(str, own))
            yield f"{name}: no label map holds {listed}; the values that occur are {values}"
    for value in sorted(set(there) - {value for own in classes.values() for value in own}):
        yield (
            f"value {value} is of no class and not counted; {there[value]} of {len(counts)} label "
            "maps hold it"
        )


def parse_classes(words: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Read words such as ``csPCa=2,3,4,5``.

    Raises:
        InputError: A word is no ``name=value,value``, or has the value of background.
    """
    found: dict[str, tuple[int, ...]] = {}
    for word in words:
        if not (match := re.fullmatch(r"([^=]+)=(\d+(?:,\d+)*)", word)):
            raise InputError(f"classes: {word!r} is not understood; write name=1 or name=2,3,4")
        if match[1] in found:
            raise InputError(f"classes: {match[1]} comes twice; join its values with commas")
        values = [int(value) for value in match[2].split(",")]
        if 0 in values:
            raise InputError(f"classes: {word!r} has 0, which is background; leave it out")
        found[match[1]] = tuple(values)
    return found


def _every_value(counts: Mapping[str, Counted], source: str) -> dict[str, tuple[int, ...]]:
    values = sorted({value for each in counts.values() for value in each.voxels})
    if not values:
        raise InputError(f"{source}: every label map is 0 everywhere; name the classes, name=1")
    return {str(value): (value,) for value in values}


def _table(
    source: Path,
    annotated: Path | str | None,
    column: str | None,
    groups: Path | str | Mapping[str, str] | None,
    found: Labels,
    classes: Sequence[str],
) -> CaseTable | None:
    if annotated is None:
        beside = find_beside(source, TABLE)
        if beside is None:
            if column is not None:
                raise InputError(f"annotated column {column}: no table; name it with --annotated")
            return None
        annotated = beside
    wanted = groups if isinstance(groups, str) and not Path(groups).is_file() else None
    known = {each.case for each in found.files} | found.tests
    table = read_case_table(Path(annotated), known, classes, column, wanted)
    return replace(table, cases=tuple(case for case in table.cases if case not in found.tests))


def _groups(
    groups: Path | str | Mapping[str, str] | None,
    files: Sequence[LabelFile],
    table: CaseTable | None,
) -> Mapping[str, str | None]:
    if groups is None:
        return {each.case: each.group for each in files}
    if isinstance(groups, Mapping):
        return dict(groups)
    if Path(groups).is_file():
        known = {each.case for each in files}
        return dict(read_case_table(Path(groups), known, (), None, "group").groups)
    if table is None:
        raise InputError(
            f"groups: no file {groups}, and no table that could have such a column; "
            "name a table with columns case and group, or give --annotated TABLE"
        )
    return dict(table.groups)


def _maps(
    counts: Mapping[str, Counted],
    classes: Classes,
    table: CaseTable | None,
    groups: Mapping[str, str | None],
) -> list[Map]:
    listed = [case for case in (table.cases if table else ()) if case not in counts]
    maps = []
    for case in [*counts, *listed]:
        looked = table.annotated.get(case) if table else None
        counted = counts.get(case)
        for name, values in classes.items():
            voxels = sum(counted.voxels.get(value, 0) for value in values) if counted else 0
            known = counted is not None and (looked is None or name in looked)
            ml = voxels * counted.ml if counted else 0.0
            maps.append(Map(case, groups.get(case), name, known, voxels, ml))
    return maps


def _counts(maps: Sequence[Map]) -> Counts:
    looked = [each for each in maps if each.annotated]
    filled = [each for each in looked if each.voxels > 0]
    voxels = _range([float(each.voxels) for each in filled])
    mean = sum(each.voxels for each in looked) / len(looked) if looked else 0.0
    overtakes = None
    if voxels is not None:
        overtakes = {e: (4 * voxels["median"] * float(e)) ** 0.5 for e in EPSILONS}
    return Counts(
        len(filled),
        len(looked) - len(filled),
        len(maps) - len(looked),
        Volumes(voxels, _range([each.ml for each in filled])),
        mean or None,
        overtakes,
    )


def _range(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"median": median(values), "min": min(values), "max": max(values)}

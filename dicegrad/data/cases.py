"""One case table for every dataset: found by its adapter, written and read as TSV."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from dicegrad.data.adapter import Case
from dicegrad.data.annotated import ALL, NO_CLASS, format_classes
from dicegrad.errors import InputError
from dicegrad.files import Columns, read_rows, write_table

CASES = Columns(
    text=("case", "subject", "group", "label", "annotated", "fingerprint"),
    optional=("annotated",),
    rest="text",
)
_IMAGE = "image_"


def summary(problems: Sequence[str], log: Path | None = None) -> str:
    """Put several problems on one line: the first, and how many more there are.

    Args:
        problems: At least one line.
        log: Where all of them can be read.
    """
    more = len(problems) - 1
    if not more:
        return problems[0]
    where = f"; see {log}" if log else ""
    return f"{problems[0]} (and {more} more problem{'s' if more > 1 else ''}{where})"


def write_cases(path: Path, cases: Iterable[Case], channels: Sequence[str]) -> None:
    """Write the case table: case, subject, group, label, ``image_<channel>`` in order, fingerprint.

    The fingerprint changes with the content of any of the case's files, so that what reads files
    through the table can be told to run again when the table changes.

    Args:
        path: The TSV to write; its folder is made.
        cases: Cases with one image per channel.
        channels: Channel names, in order.

    Raises:
        InputError: A case has another number of images than there are channels.
    """
    rows = []
    for case in cases:
        if len(case.images) != len(channels):
            raise InputError(
                f"case {case.case}: {len(case.images)} images for the {len(channels)} channels "
                f"{', '.join(channels)}; give one image per channel"
            )
        row = {"case": case.case, "subject": case.subject, "group": case.group}
        row["label"] = str(case.label)
        row |= {_IMAGE + name: str(path) for name, path in zip(channels, case.images, strict=True)}
        row["annotated"] = format_classes(case.annotated)
        row["fingerprint"] = fingerprint((case.label, *case.images))
        rows.append(row)
    write_table(rows, path)


def fingerprint(files: Iterable[Path]) -> str:
    """Return 16 hex digits that tell the contents of some files from any others."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def read_cases(path: Path) -> list[Case]:
    """Read a case table as written by `write_cases`; every field stays text, so `001` does too.

    Args:
        path: The TSV; its ``image_<channel>`` columns give the images in channel order.

    Raises:
        InputError: The table is missing, lacks a column, has an empty field or a case twice.
    """
    cases = []
    for row in read_rows(path, CASES):
        images = [name for name in row if name.startswith(_IMAGE)]
        if not images:
            raise InputError(f"{path}: no column {_IMAGE}<channel>; it has {', '.join(row)}")
        if empty := [name for name, cell in row.items() if not cell]:
            raise InputError(f"{path}: case {row['case']!r} has no {empty[0]}; fill it")
        paths = tuple(Path(row[name]) for name in images)
        annotated = row.get("annotated", ALL)
        named = {ALL: None, NO_CLASS: ()}.get(annotated, tuple(annotated.split(",")))
        label = Path(row["label"])
        cases.append(Case(row["case"], row["subject"], row["group"], paths, label, named))
    if twice := repeated(case.case for case in cases):
        raise InputError(f"{path}: case {twice[0]} comes twice; keep one line of it")
    return cases


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that come more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)

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
    optional=("annotated", "fingerprint"),
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
    """16 hex digits for the content of each file, joined by hyphens."""
    files = list(files)
    digests = {path: _digest(path) for path in set(files)}  # one file may hold several channels
    return "-".join(digests[path] for path in files)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: cannot be read ({reason}); fetch or write it again") from None


def check_originals(case: Case, files: Iterable[Path] | None = None) -> None:
    """See that original files are still those that the case table was made from.

    Args:
        case: As `read_cases` gave it. One without a fingerprint, or with that of an earlier version
            (of all files together), is accepted.
        files: Those of its files that are to be read; all by default.

    Raises:
        InputError: The content of one has changed, or cannot be read.
    """
    every = (case.label, *case.images)
    digests = case.fingerprint.split("-")
    if len(digests) != len(every):
        return
    known = dict(zip(every, digests, strict=True))
    for path in dict.fromkeys(every if files is None else files):
        if path.is_file() and _digest(path) != known[path]:  # its reader tells that it is missing
            raise InputError(
                f"{path}: has changed since the case table was made; put the file back, or delete "
                f"{case.table or 'the table'} to start from the new one"
            )


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
        names = (row["case"], row["subject"], row["group"])
        cases.append(Case(*names, paths, label, named, row.get("fingerprint", ""), path))
    if twice := repeated(case.case for case in cases):
        raise InputError(f"{path}: case {twice[0]} comes twice; keep one line of it")
    return cases


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that come more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)

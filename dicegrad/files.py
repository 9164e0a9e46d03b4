"""The one reader of text, and the one reader and writer of tables.

A table is tab-separated text with a header. Its cells stay text, so that a group called `1` or `NA`
is read as it was written; only columns that `Columns` calls numbers become numbers.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicegrad.cells import CONVERT, MEANING, Kind, as_text
from dicegrad.errors import InputError, one_line
from dicegrad.whole import whole_file

if TYPE_CHECKING:
    import pandas as pd

_LARGEST = 1 << 29  # bytes of a file that is read into memory as a whole


@dataclass(frozen=True)
class Columns:
    """What the columns of a kind of table hold.

    Attributes:
        text: Columns of text.
        numbers: Columns of floating-point numbers; `nan` where there is none.
        whole: Columns of whole numbers.
        flags: Columns of `True` and `False`.
        optional: Those of the above that a table may lack.
        rest: What all other columns hold, such as those named after classes; None if there are
            to be no others.
    """

    text: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    rest: Kind | None = None

    def kind(self, column: str) -> Kind | None:
        """What a column holds; None if the table should not have it."""
        kinds: tuple[tuple[tuple[str, ...], Kind], ...] = (
            (self.text, "text"),
            (self.numbers, "number"),
            (self.whole, "whole"),
            (self.flags, "flag"),
        )
        return next((kind for names, kind in kinds if column in names), self.rest)

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that every such table has."""
        names = (*self.text, *self.numbers, *self.whole, *self.flags)
        return tuple(name for name in names if name not in self.optional)


def user_path(text: Path | str) -> Path:
    """A path as its user wrote it, in which `~` is a home folder.

    Raises:
        InputError: It names the home of a user who is not there, or can be no path.
    """
    if "\0" in str(text):
        raise InputError(f"{text}: has a zero byte, which no path has; correct it")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InputError(f"{text}: there is no such user; write the path in full") from None


def read_rows(path: Path | str, columns: Columns) -> list[dict[str, Any]]:
    """Read a table as one dictionary per row.

    Args:
        path: The table, UTF-8 text with or without a byte-order mark.
        columns: What its columns hold.

    Returns:
        Rows in the file's order; cells as text, float, int or bool.

    Raises:
        InputError: The file is missing, not UTF-8 or empty, lacks a column or has one twice, a row
            is cut or too long, or a cell is not of its column's kind.
    """
    header, lines = read_cells(path)
    if absent := [name for name in columns.required if name not in header]:
        raise InputError(
            f"{path}: column {', '.join(absent)} is missing; it has {', '.join(header)}"
        )
    kinds = [columns.kind(name) for name in header]
    if None in kinds:
        unknown = header[kinds.index(None)]
        raise InputError(f"{path}: unknown column {unknown!r}; remove it")
    convert = [CONVERT[kind or "text"] for kind in kinds]
    rows = []
    for number, cells in lines:
        row = {}
        for name, kind, function, cell in zip(header, kinds, convert, cells, strict=True):
            try:
                row[name] = function(cell)
            except ValueError:
                raise InputError(
                    f"{path}: line {number} has {cell!r} in column {name}, which holds "
                    f"{MEANING[kind or 'text']}; correct it, or delete the table to make it again"
                ) from None
        rows.append(row)
    return rows


def read_cells(
    path: Path | str, comments: bool = False, delimiter: str | None = "\t"
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read the text of a table: its header, and the cells of each line with the line's number.

    Empty lines are skipped, and with `comments` those that begin with `#`. A `delimiter` of None is
    the tab, comma or semicolon that the header has most of.

    Raises:
        InputError: The file is missing, not UTF-8 or empty, a column comes twice, or a line has
            more or fewer cells than the header.
    """
    text = read_text(path)
    if delimiter is None:
        delimiter = max("\t,;", key=text.partition("\n")[0].count)
    separated = {"\t": "tabs", ",": "commas"}.get(delimiter, "semicolons")
    lines = [
        (number, cells)
        for number, cells in _split(text, delimiter, path)
        if any(cell.strip() for cell in cells) and not (comments and cells[0].startswith("#"))
    ]
    if not lines:
        raise InputError(
            f"{path}: is empty; it should hold a header and rows, separated by {separated}"
        )
    header = lines[0][1]
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise InputError(f"{path}: column {twice[0]!r} comes twice; remove one")
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise InputError(
                f"{path}: line {number} has {len(cells)} cells, the header {len(header)}; "
                f"separate the cells by {separated}, or delete the table to make it again"
            )
    return header, lines[1:]


def _split(text: str, delimiter: str, path: Path | str) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells of each line.

    Raises:
        InputError: A cell goes on in the next line, as all that follows a single quotation mark
            does: it would swallow rows without a word.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    last = 0
    try:
        for cells in reader:
            if reader.line_num > last + 1:
                raise InputError(
                    f"{path}: line {last + 1} has a cell that goes on to line {reader.line_num}; "
                    "remove its quotation marks, or the line breaks between them"
                )
            last = reader.line_num
            yield last, cells
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num} cannot be read ({error})") from None


def read_text(path: Path | str, lossy: bool = False, most: int = _LARGEST) -> str:
    """Read UTF-8 text, without a byte-order mark.

    Args:
        path: The file.
        lossy: Take bytes that are not UTF-8 for unknown characters, instead of refusing them.
        most: Bytes that such a file can have.

    Raises:
        InputError: The file is missing, cannot be read, is no regular file, too large, or no UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        what = "is not a regular file" if path.exists() else "no such file"
        raise InputError(f"{path}: {what}")
    if (size := path.stat().st_size) > most:
        raise InputError(f"{path}: has {size} bytes; such a file has at most {most}")
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace" if lossy else "strict")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); allow "
            "reading it, or check its disk"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is not UTF-8 text (byte {error.start + 1}); save it as UTF-8"
        ) from None
    if "\0" in text:
        raise InputError(
            f"{path}: is not UTF-8 text (byte {text.index(chr(0)) + 1} is 0); save it as UTF-8"
        )
    return text


def read_json(path: Path | str, remedy: str = "correct it") -> Any:  # noqa: ANN401
    """Read a JSON file.

    Args:
        path: The file.
        remedy: What to do about one that is not valid, for the message.

    Raises:
        InputError: It cannot be read, is not JSON, or has a key twice.
    """
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: not valid JSON (nested too deeply); {remedy}") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({one_line(error)[:200]}); {remedy}") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, of which the last of two equal keys would win."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"key {twice!r} comes twice; remove one")
    return found


def read_table(path: Path | str, columns: Columns) -> "pd.DataFrame":
    """Read a table as a data frame; see `read_rows`."""
    import pandas as pd

    header, _ = read_cells(path)
    table = pd.DataFrame(read_rows(path, columns), columns=header)
    types = {"number": float, "whole": int, "flag": bool, "text": object}
    return table.astype({name: types[columns.kind(name) or "text"] for name in header})


def write_table(
    table: "pd.DataFrame | Iterable[Mapping[str, Any]]",
    path: Path | str,
    header: Sequence[str] | None = None,
    digits: int = 8,
) -> None:
    """Write a table; the file appears whole or not at all.

    Args:
        table: A data frame, or rows that all have the same keys.
        path: Where to; its folder is made.
        header: The columns; by default those of the data frame or of the first row.
        digits: Significant digits of floating-point numbers. A missing number becomes `nan`.
    """
    rows: Iterable[Mapping[str, Any]]
    if hasattr(table, "to_dict"):
        frame: Any = table
        header = list(frame.columns) if header is None else header
        rows = frame.to_dict("records")
    else:
        rows = list(table)
        header = list(rows[0]) if header is None else header
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(header)
    writer.writerows([as_text(row[name], digits) for name in header] for row in rows)
    with whole_file(Path(path), lasting=False) as file:
        file.write(text.getvalue().encode())

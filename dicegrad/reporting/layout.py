"""The paper's layout of a table: one row per labeling and B, columns metric x group x setup."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from dicegrad.errors import visible
from dicegrad.reporting.looks import is_plain_dice, sort_setups
from dicegrad.reporting.tables import Datasets, group_order

METRICS = ("dsc", "delta_volume_ml")
HEADS = ("Dataset", "Labeling", "B")
ABSENT = "–"
# What a line below a study's own holds, and the suffix of its columns.
SOURCES = {"study": "", "paper": "_paper", "difference": "_difference"}


class Cell(NamedTuple):
    """One entry: its number (NaN where there is none), how it is printed, and its marks."""

    number: float
    text: str
    marks: str = ""


class Line(NamedTuple):
    """One row: its keys as text, and its cells by (metric, group, setup)."""

    keys: tuple[str, ...]
    cells: dict[Hashable, Cell]


@dataclass(frozen=True)
class Wide:
    """A table in the paper's layout, as three frames of one shape.

    Columns are (metric, group, setup); before them stand the keys as text, under ("", "", head). A
    key that is the same as in the row above is left out.

    Attributes:
        numbers: Keys and numbers, NaN where there is none.
        texts: Keys and what is printed.
        marks: For each cell, words of `italic` (significantly inferior), `highlighted` (theory
            expects empty maps), `quoted` (the paper's, or the difference from it).
        heads: Of the key columns.
        keys: Of every row, none left out.
        starts: Rows at which another dataset or class begins, the first row left out.
    """

    numbers: pd.DataFrame
    texts: pd.DataFrame
    marks: pd.DataFrame
    heads: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    starts: tuple[int, ...]

    @property
    def width(self) -> int:
        """Number of key columns."""
        return len(self.heads)

    @property
    def span(self) -> int:
        """Number of setups, which is how many columns a group has."""
        return len(self.numbers.columns[self.width :].unique(level=2))


def widen(table: pd.DataFrame, datasets: Datasets, beside: pd.DataFrame | None = None) -> Wide:
    """Lay a long table out as the paper does.

    Args:
        table: From `table1` or `table_losses`.
        datasets: As for `table1`.
        beside: From `paper.beside_paper`: rows that the paper has are followed by its numbers and
            by the difference, this study minus the paper.

    Returns:
        The layout; an experiment that is not in the study is a dash. Other losses (marginal, leaf,
        I + CE, CE) are left out where other reductions than I are shown: they have a table of
        their own.
    """
    plain = table[table["setup"].map(is_plain_dice).astype(bool)]
    if plain["setup"].nunique() > 1:
        table = plain
    names = [name for name in datasets if (table["dataset"] == name).any()]
    orders = {name: group_order(datasets[name], table) for name in names}
    # Right-aligned: the missing group is the last column of every dataset.
    width = max((len(order) for order in orders.values()), default=0)
    padded = {name: [""] * (width - len(order)) + order for name, order in orders.items()}
    titles = [
        " / ".join(dict.fromkeys(padded[name][i] for name in names if padded[name][i]))
        for i in range(width)
    ]
    setups = sort_setups(table["setup"])
    lines: list[Line] = []
    for name in names:
        places = [(group, title) for group, title in zip(padded[name], titles, strict=True)]
        lines += _lines(name, table[table["dataset"] == name], places, setups, beside)
    columns = [(metric, title, setup) for metric in METRICS for title in titles for setup in setups]
    heads = HEADS if beside is None or beside.empty else (*HEADS, "")
    return _frames(lines, columns, heads)


def _lines(
    name: str,
    here: pd.DataFrame,
    places: Sequence[tuple[str, str]],
    setups: Sequence[str],
    beside: pd.DataFrame | None,
) -> Iterator[Line]:
    """The rows of one dataset; below each, the paper's row and the difference if there are."""
    several = here["class"].nunique() > 1
    keys = ["class", "labeling", "batch_size"]
    for (class_name, labeling, size), part in here.groupby(keys, sort=False):
        title = f"{name} {class_name}" if several else name
        texts = (visible(title), visible(labeling), str(size))
        if beside is None or beside.empty:
            yield Line(texts, _cells(part, places, setups))
            continue
        same = beside.merge(part[["dataset", *keys]].drop_duplicates(), on=["dataset", *keys])
        for source, suffix in SOURCES.items():
            values = part if source == "study" else same
            if len(values):
                yield Line((*texts, source), _cells(values, places, setups, suffix))


def _cells(
    part: pd.DataFrame,
    places: Sequence[tuple[str, str]],
    setups: Sequence[str],
    suffix: str = "",
) -> dict[Hashable, Cell]:
    found = {(row["group"], row["setup"]): row for _, row in part.iterrows()}
    return {
        (metric, title, setup): _cell(found.get((group, setup)), metric, suffix)
        for metric in METRICS
        for group, title in places
        for setup in setups
    }


def _cell(row: "pd.Series | None", metric: str, suffix: str) -> Cell:
    quoted = "quoted" if suffix else ""
    if row is None or pd.isna(row[metric + suffix]):
        return Cell(float("nan"), ABSENT, quoted)
    number = float(row[metric + suffix])
    whole = _whole(number) if suffix != "_paper" else f"{number:.0f}"  # it prints no decimal
    text = f"{number:.2f}" if metric == "dsc" else whole
    text = _signed(text) if suffix == "_difference" else _unsigned_zero(text)
    text = text.replace("-", "−")
    spread = row.get(f"{metric}_seed_sd", float("nan"))
    if not quoted and pd.notna(spread):
        text += f" ± {spread:.{len(text.partition('.')[2])}f}"
    if quoted:
        return Cell(number, text, quoted)
    inferior = row["inferior_dsc" if metric == "dsc" else "inferior_volume"]
    marks = ["italic"] * bool(inferior) + ["highlighted"] * bool(row["learns_empty"])
    return Cell(number, text, " ".join(marks))


def _frames(lines: Sequence[Line], columns: Sequence[Hashable], heads: Sequence[str]) -> Wide:
    """Three frames of the cells, with the keys before them."""
    every = pd.MultiIndex.from_tuples([*(("", "", head) for head in heads), *columns])
    keys, starts = [], []
    above: tuple[str, ...] = ("",) * len(heads)
    for number, line in enumerate(lines):
        if line.keys[0] != above[0]:
            starts.append(number)
            keys.append(line.keys)
        elif line.keys[:3] != above[:3]:
            keys.append(("", *line.keys[1:]))
        else:
            keys.append(("", "", "", *line.keys[3:]))
        above = line.keys

    def frame(field: str, before: Sequence[Sequence[str]]) -> pd.DataFrame:
        rows = [
            [*key, *(getattr(line.cells[column], field) for column in columns)]
            for key, line in zip(before, lines, strict=True)
        ]
        values = np.array(rows, dtype=object).reshape(len(rows), len(every))
        return pd.DataFrame(values, columns=every)

    quoted = ["quoted" if line.keys[3:] not in ((), ("study",)) else "" for line in lines]
    return Wide(
        numbers=frame("number", keys),
        texts=frame("text", keys),
        marks=frame("marks", [[mark] * len(heads) for mark in quoted]),
        heads=tuple(heads),
        keys=tuple(line.keys for line in lines),
        starts=tuple(starts[1:]),
    )


def _whole(value: float) -> str:
    """Millilitres without decimals as in the paper; two digits that count below 10 ml."""
    size = abs(value)
    return f"{value:.0f}" if size >= 10 else f"{value:.1f}" if size >= 1 else f"{value:.2f}"


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if float(text) == 0 else text


def _signed(text: str) -> str:
    return f"+{text}" if float(text) > 0 else _unsigned_zero(text)

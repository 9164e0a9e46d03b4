"""The paper's layout of a table: one row per labeling and B, columns metric x group x setup."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dicegrad.reporting.setups import sort_setups
from dicegrad.reporting.tables import COMPARATORS, Datasets, group_order

METRICS = ("dsc", "delta_volume_ml")
HEADS = ("Dataset", "Labeling", "B")
KEYS = ["labeling", "batch_size"]


@dataclass(frozen=True)
class Cell:
    """One printed number; `value` is the number itself, NaN where there is none."""

    text: str
    italic: bool = False
    highlighted: bool = False
    value: float = float("nan")


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        keys: One text for each of `Wide.heads`.
        cells: In the order metric, group, setup.
        quoted: Whether it is the paper's line, or the difference from it.
    """

    keys: tuple[str, ...]
    cells: tuple[Cell, ...]
    quoted: bool = False


@dataclass(frozen=True)
class Wide:
    """A table in the paper's layout.

    Attributes:
        heads: What the first columns hold: `HEADS`, and whose numbers they are if the paper's
            stand beside the study's.
        groups: Names of the group columns, datasets joined by a slash: `HGG / ED`.
        setups: In the paper's order.
        rows: From top to bottom.
    """

    heads: tuple[str, ...]
    groups: tuple[str, ...]
    setups: tuple[str, ...]
    rows: tuple[Row, ...]


def widen(table: pd.DataFrame, datasets: Datasets, beside: pd.DataFrame | None = None) -> Wide:
    """Lay a long table out as the paper does.

    Args:
        table: From `table1` or `table_losses`.
        datasets: As for `table1`.
        beside: From `paper.beside_paper`: rows that the paper has are followed by its numbers and
            by the difference, this study minus the paper.

    Returns:
        The layout; a training that is not in the study is a dash. Other losses (marginal,
        leaf, I + CE, CE) are left out where other reductions than I are shown: they have a table
        of their own.
    """
    plain = table[~table["setup"].isin(COMPARATORS)]
    if plain["setup"].nunique() > 1:
        table = plain
    names = [name for name in datasets if (table["dataset"] == name).any()]
    orders = {name: group_order(datasets[name], table) for name in names}
    # Right-aligned: the missing group is the last column of every dataset.
    width = max((len(order) for order in orders.values()), default=0)
    padded = {name: [""] * (width - len(order)) + order for name, order in orders.items()}
    groups = tuple(
        " / ".join(dict.fromkeys(padded[name][i] for name in names if padded[name][i]))
        for i in range(width)
    )
    setups = tuple(sort_setups(table["setup"]))
    quotes = beside is not None and len(beside) > 0
    rows = []
    for name in names:
        here = table[table["dataset"] == name]
        several = here["class"].nunique() > 1
        for (class_name, labeling, size), part in here.groupby(["class", *KEYS], sort=False):
            title = f"{name} {class_name}" if several else name
            keys = (title, labeling, str(size))
            cells = _cells(part, padded[name], setups)
            rows.append(Row((*keys, "study") if quotes else keys, cells))
            if quotes:
                rows += _quoted(keys, _same_training(beside, part), padded[name], setups)
    return Wide((*HEADS, "") if quotes else HEADS, groups, setups, tuple(rows))


def shown_keys(wide: Wide) -> list[tuple[str, ...]]:
    """The texts of the first columns, what is as in the line above left out."""
    shown, last = [], ("",)
    for row in wide.rows:
        of_dataset = "" if row.keys[0] == last[0] else row.keys[0]
        shown.append(("", "", "", *row.keys[3:]) if row.quoted else (of_dataset, *row.keys[1:]))
        last = row.keys
    return shown


def _same_training(beside: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """The rows of `beside` for the dataset, class, labeling and batch size of a line."""
    keys = ["dataset", "class", *KEYS]
    return beside.merge(part[keys].drop_duplicates(), on=keys)


def _quoted(
    keys: tuple[str, ...], printed: pd.DataFrame, groups: Sequence[str], setups: Sequence[str]
) -> list[Row]:
    """The paper's line and the difference; none where the paper has no such training."""
    if printed.empty:
        return []
    return [
        Row((*keys, source), _cells(printed, groups, setups, suffix), quoted=True)
        for source, suffix in (("paper", "_paper"), ("difference", "_difference"))
    ]


def _cells(
    part: pd.DataFrame, groups: Sequence[str], setups: Sequence[str], suffix: str = ""
) -> tuple[Cell, ...]:
    found = {(row["group"], row["setup"]): row for _, row in part.iterrows()}
    return tuple(
        _cell(found.get((group, setup)), metric, suffix)
        for metric in METRICS
        for group in groups
        for setup in setups
    )


def _cell(row: "pd.Series | None", metric: str, suffix: str) -> Cell:
    if row is None or pd.isna(row[metric + suffix]):
        return Cell("–")
    value = float(row[metric + suffix])
    whole = _whole(value) if suffix != "_paper" else f"{value:.0f}"  # it prints no decimal
    text = f"{value:.2f}" if metric == "dsc" else whole
    text = _signed(text) if suffix == "_difference" else _unsigned_zero(text)
    text = text.replace("-", "−")
    if suffix:
        return Cell(text, value=value)
    inferior = row["inferior_dsc"] if metric == "dsc" else row["inferior_volume"]
    return Cell(text, bool(inferior), bool(row["learns_empty"]), value)


def _whole(value: float) -> str:
    """Millilitres without decimals as in the paper; one decimal for structures of a few ml."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}"


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if float(text) == 0 else text


def _signed(text: str) -> str:
    return f"+{text}" if float(text) > 0 else _unsigned_zero(text)

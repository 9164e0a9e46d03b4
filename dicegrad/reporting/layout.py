"""The paper's layout of a table: one row per labeling and B, columns metric x group x setup."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dicegrad.reporting.setups import sort_setups
from dicegrad.reporting.tables import COMPARATORS, Datasets, group_order

METRICS = ("dsc", "delta_volume_ml")


@dataclass(frozen=True)
class Cell:
    """One printed number."""

    text: str
    italic: bool = False
    highlighted: bool = False


@dataclass(frozen=True)
class Wide:
    """A table in the paper's layout.

    Attributes:
        groups: Names of the group columns, datasets joined by a slash: `HGG / ED`.
        setups: In the paper's order.
        rows: ((dataset or class, labeling, batch size), cells) with cells in the order
            metric, group, setup.
    """

    groups: tuple[str, ...]
    setups: tuple[str, ...]
    rows: tuple[tuple[tuple[str, str, str], tuple[Cell, ...]], ...]


def widen(table: pd.DataFrame, datasets: Datasets) -> Wide:
    """Lay a long table out as the paper does.

    Args:
        table: From `table1` or `table_losses`.
        datasets: As for `table1`.

    Returns:
        The layout; a training that is not in the study is a dash. Comparators (marginal, leaf)
        are left out where other reductions than I are shown: they have a table of their own.
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
    rows = []
    for name in names:
        here = table[table["dataset"] == name]
        several = here["class"].nunique() > 1
        for keys, part in here.groupby(["class", "labeling", "batch_size"], sort=False):
            title = f"{name} {keys[0]}" if several else name
            cells = _cells(part, padded[name], setups)
            rows.append(((title, keys[1], str(keys[2])), cells))
    return Wide(groups, setups, tuple(rows))


def _cells(part: pd.DataFrame, groups: Sequence[str], setups: Sequence[str]) -> tuple[Cell, ...]:
    found = {(row["group"], row["setup"]): row for _, row in part.iterrows()}
    return tuple(
        _cell(found.get((group, setup)), metric)
        for metric in METRICS
        for group in groups
        for setup in setups
    )


def _cell(row: "pd.Series | None", metric: str) -> Cell:
    if row is None or pd.isna(row[metric]):
        return Cell("–")
    text = f"{row[metric]:.2f}" if metric == "dsc" else _whole(row[metric])
    inferior = row["inferior_dsc"] if metric == "dsc" else row["inferior_volume"]
    return Cell(text, bool(inferior), bool(row["learns_empty"]))


def _whole(value: float) -> str:
    """Millilitres without decimals as in the paper; one decimal for structures of a few ml."""
    text = f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")

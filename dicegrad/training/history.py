"""Training history: one row per epoch."""

from pathlib import Path

from dicegrad.files import Columns, write_table

Row = dict[str, float]

HISTORY = Columns(whole=("epoch", "step"), rest="number")


def write_history(rows: list[Row], path: Path) -> None:
    """Write `history.tsv`; readers never see half a row."""
    write_table(rows, path, digits=6)

"""What a training has been through, one row an epoch."""

import csv
import io
from pathlib import Path

from dicegrad.training.files import whole_file

Row = dict[str, float]


def write_history(rows: list[Row], path: Path) -> None:
    """`history.tsv`, rewritten whole; readers never see half a row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], delimiter="\t", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: v if isinstance(v, int) else f"{v:.6g}" for k, v in row.items()})
    with whole_file(path, lasting=False) as file:  # a checkpoint holds it too
        file.write(text.getvalue().encode())

"""What a training has been through, one row an epoch."""

import csv
from pathlib import Path

Row = dict[str, float]


def write_history(rows: list[Row], path: Path) -> None:
    """`history.tsv`, rewritten whole; readers never see half a row."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: v if isinstance(v, int) else f"{v:.6g}" for k, v in row.items()})
    temporary.replace(path)

"""Put the heuristic epsilons of a study in one table."""

from pathlib import Path

from dicegrad.logs import job

with job(snakemake.log[0]) as report:
    tables = [Path(path).read_text().splitlines() for path in snakemake.input]
    lines = [tables[0][0], *(line for table in tables for line in table[1:])]
    Path(snakemake.output[0]).write_text("\n".join(lines) + "\n")
    report(f"{len(lines) - 1} rows")

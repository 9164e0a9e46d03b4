"""Fetch a data set, or unpack the archive that the user placed, and verify it."""

import dicegrad.starting  # isort: skip

import sys
from pathlib import Path

from dicegrad.data.download import Source, obtain
from dicegrad.logs import job

with job(snakemake.log[0]) as report:
    params = snakemake.params

    def show(line: str) -> None:
        """A line for the log, and for whoever waits."""
        report(line)
        print(line, file=sys.stderr, flush=True)

    root = obtain(params.adapter, Path(params.root), Source.from_dict(params.download), report=show)
    show(f"root {root}: complete, {sum(params.download['cases'].values())} cases verified")
    for marker in snakemake.output:
        Path(marker).touch()

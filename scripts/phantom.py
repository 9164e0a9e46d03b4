"""Generate a phantom in the layout of a real data set."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.data.phantoms import write_phantom
from dicegrad.logs import job

with job(snakemake.log[0]) as report:
    phantom = snakemake.params.phantom
    root = Path(snakemake.output[0])
    write_phantom(phantom["kind"], root, phantom["subjects"], phantom.get("seed", 0))
    report(f"{phantom['subjects']} subjects in {root}")

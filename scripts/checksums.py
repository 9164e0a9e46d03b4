"""Write the checksums of all files of the finished study."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.logs import job
from dicegrad.reporting.record import write_sums

with job(snakemake.log[0], inputs=snakemake.input) as report:
    files = write_sums(Path(snakemake.output[0]).parent, map(Path, snakemake.input))
    report(f"{files} files")

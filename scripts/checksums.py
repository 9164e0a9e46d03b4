"""Write the checksums of all files of the finished study."""

from pathlib import Path

from dicegrad.logs import job
from dicegrad.reporting.record import write_sums

with job(snakemake.log[0], inputs=snakemake.input) as report:
    folder = Path(snakemake.output[0]).parent
    report(f"{write_sums(folder, map(Path, snakemake.input))} files")

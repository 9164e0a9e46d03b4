"""What the study shows, and where to look."""

from pathlib import Path

from dicegrad.logs import job
from dicegrad.reporting.formats import read_table
from dicegrad.reporting.summary import summarise

with job(snakemake.log[0]) as report:
    table = read_table(Path(snakemake.input[0]))
    text = summarise(table, snakemake.params.datasets)
    Path(snakemake.output[0]).write_text(text.rstrip() + "\n")
    report(text)

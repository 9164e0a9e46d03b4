"""What the study shows, and where to look."""

from pathlib import Path

from dicegrad.logs import job
from dicegrad.reporting.formats import read_table
from dicegrad.reporting.summary import summarise

with job(snakemake.log[0]) as report:
    table, scores = (read_table(Path(path)) for path in snakemake.input)
    text = summarise(table, snakemake.params.datasets, scores)
    Path(snakemake.output[0]).write_text(text.rstrip() + "\n")
    report(text)

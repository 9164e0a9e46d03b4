"""The finding at a glance."""

from pathlib import Path

from dicegrad.logs import job
from dicegrad.reporting.figures.finding import plot_finding
from dicegrad.reporting.formats import read_table

with job(snakemake.log[0]):
    table = read_table(Path(snakemake.input[0]))
    plot_finding(table, Path(snakemake.output.png).with_suffix(""))

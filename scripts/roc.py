"""How well the predicted volume tells the groups apart."""

from pathlib import Path

from dicegrad.evaluation.roc_curves import roc_table
from dicegrad.evaluation.scores import read_scores, write_scores
from dicegrad.logs import job
from dicegrad.reporting.figures.roc import plot_roc

with job(snakemake.log[0]) as report:
    table = roc_table(read_scores(snakemake.input[0]), snakemake.params.datasets)
    write_scores(table, snakemake.output.table)
    plot_roc(table, Path(snakemake.output.png).with_suffix(""))
    report(f"{len(table)} points")

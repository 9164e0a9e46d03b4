"""The DSC of every case."""

from pathlib import Path

from dicegrad.evaluation.scores import read_scores
from dicegrad.logs import job
from dicegrad.reporting.figures.distributions import plot_distributions
from dicegrad.reporting.formats import read_table

with job(snakemake.log[0]):
    plot_distributions(
        read_scores(snakemake.input.scores),
        read_table(Path(snakemake.input.comparisons)),
        snakemake.params.datasets,
        Path(snakemake.output.png).with_suffix(""),
    )

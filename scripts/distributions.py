"""The DSC of every case."""

from pathlib import Path

import pandas as pd

from dicegrad.evaluation.scores import read_scores
from dicegrad.logs import job
from dicegrad.reporting.figures.distributions import plot_distributions

with job(snakemake.log[0]):
    plot_distributions(
        read_scores(snakemake.input.scores),
        pd.read_csv(snakemake.input.comparisons, sep="\t"),
        snakemake.params.datasets,
        Path(snakemake.output.png).with_suffix(""),
    )

"""Predicted volumes against true ones."""

from pathlib import Path

from dicegrad.evaluation.scores import read_scores
from dicegrad.logs import job
from dicegrad.reporting.figures.volumes import plot_volumes

with job(snakemake.log[0]):
    scores = read_scores(snakemake.input[0])
    plot_volumes(scores, snakemake.params.datasets, Path(snakemake.output.png).with_suffix(""))

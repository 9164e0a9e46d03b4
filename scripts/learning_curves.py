"""The learning curves of all training runs."""

from pathlib import Path

import pandas as pd

from dicegrad.logs import job
from dicegrad.reporting.figures.learning_curves import plot_learning_curves

with job(snakemake.log[0]):
    histories = [
        pd.read_csv(path, sep="\t").assign(**training)
        for path, training in zip(snakemake.input, snakemake.params.trainings, strict=True)
    ]
    plot_learning_curves(pd.concat(histories), Path(snakemake.output.png).with_suffix(""))

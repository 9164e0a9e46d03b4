"""The finding at a glance."""

from pathlib import Path

import pandas as pd

from dicegrad.logs import job
from dicegrad.reporting.figures.index import plot_finding

with job(snakemake.log[0]):
    table = pd.read_csv(snakemake.input[0], sep="\t")
    plot_finding(table, Path(snakemake.output.png).with_suffix(""))

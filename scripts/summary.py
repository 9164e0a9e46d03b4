"""What the study shows, and where to look."""

from pathlib import Path

import pandas as pd

from dicegrad.logs import job
from dicegrad.reporting.summary import summarise

with job(snakemake.log[0]) as report:
    table = pd.read_csv(snakemake.input[0], sep="\t")
    text = summarise(table, snakemake.params.datasets)
    Path(snakemake.output[0]).write_text(text.rstrip() + "\n")
    report(text)

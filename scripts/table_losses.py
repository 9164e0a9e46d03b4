"""Setup I beside the marginal and the leaf Dice loss, in every format."""

import pandas as pd

from dicegrad.evaluation.scores import read_scores
from dicegrad.logs import job
from dicegrad.reporting.formats import write_table
from dicegrad.reporting.tables import table_losses

CAPTION = (
    "The image-wise Dice loss beside two losses made for missing labels, trained on partial "
    "labels. In italics: worse than I (p < 0.05)."
)

with job(snakemake.log[0]) as report:
    scores = read_scores(snakemake.input.scores)
    comparisons = pd.read_csv(snakemake.input.comparisons, sep="\t", keep_default_na=True)
    table = table_losses(scores, comparisons, snakemake.params.datasets)
    write_table(table, snakemake.params.datasets, list(snakemake.output), CAPTION)
    report(f"{len(table)} rows")

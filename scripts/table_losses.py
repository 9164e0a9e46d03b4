"""Setup I beside the marginal and the leaf Dice loss, in every format."""

from pathlib import Path

from dicegrad.evaluation.scores import read_scores
from dicegrad.logs import job
from dicegrad.reporting.formats import read_table, write_table
from dicegrad.reporting.tables import table_losses

CAPTION = (
    "The image-wise Dice loss beside two losses made for missing labels, all trained on partial "
    "labels. The reference is I (p < 0.05)."
)

with job(snakemake.log[0]) as report:
    scores = read_scores(snakemake.input.scores)
    comparisons = read_table(Path(snakemake.input.comparisons))
    table = table_losses(scores, comparisons, snakemake.params.datasets)
    write_table(table, snakemake.params.datasets, list(snakemake.output), CAPTION)
    report(f"{len(table)} rows")

"""Table 1 of the paper for this study, in every format."""

from pathlib import Path

from dicegrad.evaluation.scores import read_scores
from dicegrad.logs import job
from dicegrad.reporting.formats import read_table, write_table
from dicegrad.reporting.tables import table1

CAPTION = (
    "Mean DSC and mean volume difference (predicted minus true) of the class with missing labels. "
    "The reference is the same setup trained on full labels (p < 0.05)."
)

with job(snakemake.log[0]) as report:
    scores = read_scores(snakemake.input.scores)
    comparisons = read_table(Path(snakemake.input.comparisons))
    table = table1(scores, comparisons, snakemake.params.datasets)
    write_table(table, snakemake.params.datasets, list(snakemake.output), CAPTION)
    report(f"{len(table)} rows")

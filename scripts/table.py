"""Table 1 of the paper for this study, or the comparison of losses, in every format."""

from pathlib import Path

from dicegrad.evaluation.scores import read_scores
from dicegrad.logs import job
from dicegrad.reporting.formats import read_table, write_table
from dicegrad.reporting.paper import beside_paper
from dicegrad.reporting.tables import table1, table_losses

MAKE = {"table1": table1, "table_losses": table_losses}
CAPTIONS = {
    "table1": "Mean DSC and mean volume difference (predicted minus true) of the class with "
    "missing labels. The reference is the same setup trained on full labels (p < 0.05).",
    "table_losses": "The image-wise Dice loss beside other losses, all trained on the same partial "
    "labels. The reference is I (p < 0.05).",
}
# The paper prints numbers for the first table alone; of the losses it says that none differ.
QUOTED = " Below a result of this study, where the paper has it: the paper's, and the difference."

with job(snakemake.log[0]) as report:
    name, datasets = snakemake.rule, snakemake.params.datasets
    scores = read_scores(snakemake.input.scores)
    comparisons = read_table(Path(snakemake.input.comparisons))
    table = MAKE[name](scores, comparisons, datasets)
    beside = beside_paper(table, datasets) if name == "table1" else table.iloc[:0]
    caption = CAPTIONS[name] + QUOTED * bool(len(beside))
    write_table(table, datasets, list(snakemake.output), caption, beside)
    report(f"{len(table)} rows")

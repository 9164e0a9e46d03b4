"""Empty decisions, other rules for empty truth, agreement of volumes, the paper's numbers."""

from dicegrad.evaluation.agreement import agreement
from dicegrad.evaluation.empty import dice_rules, empty_decisions
from dicegrad.evaluation.scores import read_scores, write_scores
from dicegrad.logs import job
from dicegrad.reporting.formats import read_table
from dicegrad.reporting.paper import beside_paper

with job(snakemake.log[0]) as report:
    scores, datasets = read_scores(snakemake.input.scores), snakemake.params.datasets
    tables = {
        "empty_decisions": empty_decisions(scores, datasets),
        "dice_rules": dice_rules(scores, datasets),
        "agreement": agreement(scores),
        "beside_paper": beside_paper(read_table(snakemake.input.table1), datasets),
    }
    for name, table in tables.items():
        write_scores(table, snakemake.output[name])
        report(f"{name}: {len(table)} rows")

"""The supplementary tables, as TSV files and as pages."""

from dicegrad.evaluation.agreement import agreement
from dicegrad.evaluation.empty import dice_rules, empty_decisions, rules_side_by_side
from dicegrad.evaluation.scores import read_scores, write_scores
from dicegrad.evaluation.surfaces import surfaces
from dicegrad.logs import job
from dicegrad.reporting.formats import read_table, write_page
from dicegrad.reporting.paper import areas_beside_paper, beside_paper

CAPTIONS = {
    "empty_decisions": "How often a missing class is output as an empty map. Where it should be "
    "(missing group, partial labels) the rate is a sensitivity, elsewhere a rate of false alarms; "
    "95 % intervals of Clopper and Pearson.",
    "dice_rules": "Mean DSC of the missing classes under the rules of four frameworks for empty "
    "maps. Against full labels they agree; against the labels used in training they differ.",
    "surfaces": "95th percentile Hausdorff distance and normalised surface Dice at 2 mm. HD95 has "
    "no value where a map is empty, and is a mean over hd95_n of the n cases.",
    "agreement": "Agreement of predicted with true volumes after Bland and Altman. Bias with its "
    "95 % interval, limits of agreement, correlation.",
    "areas": "Areas under the ROC curves. Exact with 95 % interval; on the paper's grids of 1,001 "
    "thresholds (ACDC) and of 1 ml (BRATS); the paper's own.",
    "beside_paper": "The paper's Table 1 beside this study. Differences are this study minus the "
    "paper.",
}

with job(snakemake.log[0]) as report:
    scores, datasets = read_scores(snakemake.input.scores), snakemake.params.datasets
    tables = {
        "empty_decisions": empty_decisions(scores, datasets),
        "dice_rules": dice_rules(scores, datasets),
        "surfaces": surfaces(scores),
        "agreement": agreement(scores),
        "areas": areas_beside_paper(read_table(snakemake.input.roc)),
        "beside_paper": beside_paper(read_table(snakemake.input.table1), datasets),
    }
    for name, table in tables.items():
        write_scores(table, snakemake.output[name])
        shown = rules_side_by_side(table) if name == "dice_rules" else table
        write_page(shown, snakemake.output[f"{name}_page"], CAPTIONS[name])
        report(f"{name}: {len(table)} rows")

"""DSC against epsilon, and where the missing labels begin to be learnt."""

from pathlib import Path

import pandas as pd

from dicegrad.data.cases import read_cases
from dicegrad.evaluation.scores import read_scores, write_scores
from dicegrad.evaluation.transition import transition
from dicegrad.logs import job
from dicegrad.preprocessing.folds import read_folds
from dicegrad.reporting.figures.transition import plot_transition
from dicegrad.reporting.formats import read_table


def voxels_of(dataset, labeling, path, cases, folds, fold_count):
    """The class volumes of one dataset and labeling, one row per case and class."""
    found = read_cases(Path(cases))
    dealt = read_folds(Path(folds), {case.subject for case in found}, fold_count)
    about = pd.DataFrame(
        {
            "case": [case.case for case in found],
            "group": [case.group for case in found],
            "fold": [dealt[case.subject] for case in found],
        }
    )
    volumes = pd.read_csv(path, sep="\t", dtype={"case": str}, keep_default_na=False)
    long = volumes.melt("case", var_name="class", value_name="voxels")
    return long.merge(about, on="case", validate="many_to_one").assign(
        dataset=dataset, labeling=labeling
    )


with job(snakemake.log[0]) as report:
    files, params = snakemake.input, snakemake.params
    tables = [
        voxels_of(*labeled, path, cases, folds, count)
        for labeled, path, cases, folds, count in zip(
            params.labeled, files.volumes, files.cases, files.folds, params.fold_counts, strict=True
        )
    ]
    table = transition(
        read_scores(files.scores), read_table(files.epsilon), pd.concat(tables), params.datasets
    )
    write_scores(table, snakemake.output.table)
    plot_transition(table, Path(snakemake.output.png).with_suffix(""))
    lines = table[table["missing"]].drop_duplicates(["dataset", "class", "labeling", "batch_size"])
    for _, line in lines.iterrows():
        report(
            f"{line['dataset']} {line['class']}, {line['labeling']} labels, B = "
            f"{line['batch_size']}: half of the DSC of {line['group']} is lost at epsilon / v = "
            f"{line['halfway']:.3g}, where the push is {line['halfway_push']:.2g} of its maximum"
        )

"""DSC against epsilon, and where the missing labels begin to be learnt."""

from pathlib import Path

import pandas as pd

from dicegrad.data.cases import read_cases
from dicegrad.evaluation.epsilon_sweep import LINE, transition, voxels_of
from dicegrad.evaluation.scores import read_scores, write_scores
from dicegrad.logs import job
from dicegrad.preprocessing.epsilon import read_volumes
from dicegrad.preprocessing.folds import read_folds
from dicegrad.reporting.figures.transition import plot_transition
from dicegrad.reporting.formats import read_table

with job(snakemake.log[0]) as report:
    files, params, tables = snakemake.input, snakemake.params, []
    for number, (dataset, labeling) in enumerate(params.labeled):
        cases = read_cases(Path(files.cases[number]))
        subjects = {case.subject for case in cases}
        folds = read_folds(Path(files.folds[number]), subjects, params.fold_counts[number])
        voxels = voxels_of(cases, folds, *read_volumes(Path(files.volumes[number])))
        tables.append(voxels.assign(dataset=dataset, labeling=labeling))
    table = transition(
        read_scores(files.scores), read_table(files.epsilon), pd.concat(tables), params.datasets
    )
    write_scores(table, snakemake.output.table)
    plot_transition(table, Path(snakemake.output.png).with_suffix(""))
    for _, line in table[table["missing"]].drop_duplicates(LINE).iterrows():
        report(
            f"{line['dataset']} {line['class']}, {line['labeling']} labels, B = "
            f"{line['batch_size']}: half of the DSC of {line['group']} is lost at epsilon / v = "
            f"{line['halfway']:.3g}, where the push is {line['halfway_push']:.2g} of its maximum"
        )

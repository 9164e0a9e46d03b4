"""The heuristic epsilon of every fold and class under one labeling."""

from pathlib import Path

from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.epsilon import (
    epsilon_of_folds,
    epsilon_rows,
    read_volumes,
    write_epsilon,
)
from dicegrad.preprocessing.folds import read_folds
from dicegrad.preprocessing.labeling import read_annotated

with job(snakemake.log[0], inputs=snakemake.input) as report:
    row, params = snakemake.wildcards, snakemake.params
    cases = read_cases(Path(snakemake.input.cases))
    subjects = {case.subject for case in cases}
    folds = read_folds(Path(snakemake.input.folds), subjects, params.fold_count)
    classes, volumes = read_volumes(Path(snakemake.input.volumes))
    annotated = None
    if row.counted:
        names = [case.case for case in cases]
        annotated = read_annotated(Path(snakemake.input.annotated), names, classes)
    epsilon = epsilon_of_folds(
        volumes,
        [folds[case.subject] for case in cases],
        [case.group for case in cases],
        params.fold_count,
        params.sampling,
        annotated,
    )
    rows = epsilon_rows(row.dataset, row.labeling, classes, epsilon)
    write_epsilon(Path(snakemake.output[0]), rows)
    report(f"{params.fold_count} folds, classes {', '.join(classes)}")

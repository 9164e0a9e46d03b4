"""The heuristic epsilon of every fold and class under one labeling."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.epsilon import dataset_epsilon, epsilon_rows, write_epsilon
from dicegrad.reporting.origin import write_made_with

with job(snakemake.log[0], inputs=snakemake.input) as report:
    row, files, params = snakemake.wildcards, snakemake.input, snakemake.params
    classes, epsilon = dataset_epsilon(
        read_cases(Path(files.cases)),
        Path(files.folds),
        params.fold_count,
        Path(files.volumes),
        params.sampling,
        Path(files.annotated) if files.annotated else None,
    )
    rows = epsilon_rows(row.dataset, row.labeling, classes, epsilon)
    write_epsilon(Path(snakemake.output[0]), rows)
    made_with = {"fold_count": params.fold_count, "sampling": params.sampling}
    write_made_with(Path(snakemake.output[0]), made_with)
    report(f"{params.fold_count} folds, classes {', '.join(classes)}")

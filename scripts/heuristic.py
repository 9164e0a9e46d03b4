"""The heuristic epsilon of every fold and class under one labeling."""

from pathlib import Path

import numpy as np

from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.epsilon import heuristic_epsilon, write_epsilon
from dicegrad.preprocessing.folds import read_folds

with job(snakemake.log[0]) as report:
    cases = read_cases(Path(snakemake.input.cases))
    count = snakemake.params.fold_count
    folds = read_folds(Path(snakemake.input.folds), {case.subject for case in cases}, count)
    with Path(snakemake.input.volumes).open() as file:
        classes = file.readline().split()[1:]
        volumes = np.array([line.split("\t")[1:] for line in file], dtype=np.int64)
    rows = []
    for fold in range(count):
        train = [i for i, case in enumerate(cases) if folds[case.subject] != fold]
        groups = [cases[i].group for i in train]
        values = heuristic_epsilon(volumes[train], groups, snakemake.params.sampling)
        rows += [
            {
                "dataset": snakemake.wildcards.dataset,
                "labeling": snakemake.wildcards.labeling,
                "fold": fold,
                "class": name,
                "epsilon": round(float(value), 3),
            }
            for name, value in zip(classes, values, strict=True)
        ]
    write_epsilon(Path(snakemake.output[0]), rows)
    report(f"{count} folds, classes {', '.join(classes)}")

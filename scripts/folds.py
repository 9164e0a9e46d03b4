"""Assign the subjects to folds."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.epsilon import read_volumes
from dicegrad.preprocessing.folds import folds_of_splits, make_folds, write_folds
from dicegrad.reporting.origin import write_made_with
from dicegrad.study import Folds

with job(snakemake.log[0], inputs=snakemake.input) as report:
    settings = Folds(**snakemake.params.folds)
    cases = read_cases(Path(snakemake.input.cases))
    if settings.method == "listed":
        folds = folds_of_splits(cases, Path(settings.file), settings.count)
    else:
        filled = None
        if settings.method == "balanced":
            filled = read_volumes(Path(snakemake.input.volumes))[1] > 0
        folds = make_folds(cases, settings.count, settings.method, settings.seed, filled)
    write_folds(Path(snakemake.output[0]), folds)
    write_made_with(Path(snakemake.output[0]), {"folds": vars(settings)})
    report(f"{len(folds)} subjects in {settings.count} folds")

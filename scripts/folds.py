"""Assign the subjects to folds."""

from pathlib import Path

from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.folds import make_folds, write_folds
from dicegrad.study import Folds

with job(snakemake.log[0], inputs=snakemake.input) as report:
    settings = Folds(**snakemake.params.folds)
    cases = read_cases(Path(snakemake.input.cases))
    folds = make_folds(cases, settings.count, settings.method, settings.seed)
    write_folds(Path(snakemake.output[0]), folds)
    report(f"{len(folds)} subjects in {settings.count} folds")

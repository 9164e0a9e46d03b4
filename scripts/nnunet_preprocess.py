"""Let nnU-Net preprocess a dataset under one labeling."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.data.cases import read_cases
from dicegrad.engines.nnunet import preprocess_labeling
from dicegrad.logs import job
from dicegrad.preprocessing.labeling import read_annotated
from dicegrad.study import Labeling, Removal

with job(snakemake.log[0], ["dicegrad.engines.nnunet"], snakemake.input) as report:
    files, params = snakemake.input, snakemake.params
    cases = read_cases(Path(files.cases))
    names = [case.case for case in cases]
    removals = tuple(Removal(**removal) for removal in params.removals)
    preprocess_labeling(
        cases,
        params.classes,
        read_annotated(Path(files.annotated), names, params.classes),
        Labeling(snakemake.wildcards.labeling, removals),
        params.configuration,
        Path(files.raw),
        Path(files.plans),
        Path(snakemake.output[0]),
        snakemake.threads,
        report,
    )

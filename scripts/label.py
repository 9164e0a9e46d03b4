"""Make the labels of one labeling."""

from pathlib import Path

import numpy as np

from dicegrad.data.cases import read_cases
from dicegrad.files import whole_file
from dicegrad.logs import job
from dicegrad.preprocessing.labeling import apply_labeling
from dicegrad.study import Missing

with job(snakemake.log[0]):
    cases = read_cases(Path(snakemake.input.cases))
    labels = apply_labeling(
        np.load(snakemake.input.labels, mmap_mode="r"),
        [case.group for case in cases],
        [case.subject for case in cases],
        snakemake.wildcards.labeling,
        snakemake.params.classes,
        Missing.from_dict(snakemake.params.missing),
    )
    with whole_file(Path(snakemake.output.labels)) as file:
        np.save(file, labels)

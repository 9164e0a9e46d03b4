"""Make the training labels of one labeling."""

from pathlib import Path

import numpy as np

from dicegrad.data.cases import read_cases
from dicegrad.files import whole_file
from dicegrad.logs import job
from dicegrad.preprocessing.labeling import apply_labeling, read_annotated
from dicegrad.study import Labeling, Removal

with job(snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    names = [case.case for case in read_cases(Path(files.cases))]
    labels = apply_labeling(
        np.load(files.labels, mmap_mode="r"),
        read_annotated(Path(files.annotated), names, params.classes),
        Labeling(
            snakemake.wildcards.labeling, tuple(Removal(**removal) for removal in params.removals)
        ),
    )
    with whole_file(Path(snakemake.output.labels)) as file:
        np.save(file, labels)

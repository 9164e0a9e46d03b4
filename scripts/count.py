"""Count the voxels of every class in the labels of one labeling."""

from pathlib import Path

import numpy as np

from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.epsilon import class_volumes, write_volumes

with job(snakemake.log[0]) as report:
    classes = snakemake.params.classes
    volumes = class_volumes(np.load(snakemake.input.labels, mmap_mode="r"), len(classes))
    names = [case.case for case in read_cases(Path(snakemake.input.cases))]
    write_volumes(Path(snakemake.output[0]), names, classes, volumes)
    for name, mean in zip(classes, volumes.mean(axis=0), strict=True):
        report(f"{name}: {mean:.1f} voxels on average")

"""Count the voxels of every class in the labels of one labeling."""

import dicegrad.starting  # isort: skip

from pathlib import Path

import numpy as np

from dicegrad.arrays import open_array
from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.epsilon import class_volumes, write_volumes

with job(snakemake.log[0], inputs=snakemake.input) as report:
    classes = snakemake.params.classes
    names = [case.case for case in read_cases(Path(snakemake.input.cases))]
    labels = open_array(snakemake.input.labels, np.uint8, (len(names), None, None, None))
    volumes = class_volumes(labels, len(classes), snakemake.params.overlapping)
    write_volumes(Path(snakemake.output[0]), names, classes, volumes)
    for name, mean in zip(classes, volumes.mean(axis=0), strict=True):
        report(f"{name}: {mean:.1f} voxels on average")

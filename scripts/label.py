"""Make the labels of one labeling, and count the voxels of every class."""

from pathlib import Path

import numpy as np

from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.arrays import atomic_path
from dicegrad.preprocessing.epsilon import class_volumes, write_volumes
from dicegrad.preprocessing.labeling import apply_labeling
from dicegrad.preprocessing.settings import Missing

with job(snakemake.log[0]) as report:
    cases = read_cases(Path(snakemake.input.cases))
    classes = snakemake.params.classes
    labels = apply_labeling(
        np.load(snakemake.input.labels, mmap_mode="r"),
        [case.group for case in cases],
        [case.subject for case in cases],
        snakemake.wildcards.labeling,
        classes,
        Missing.from_dict(snakemake.params.missing),
    )
    volumes = class_volumes(labels, len(classes))
    with atomic_path(Path(snakemake.output.labels)) as path, path.open("wb") as file:
        np.save(file, labels)
    names = [case.case for case in cases]
    write_volumes(Path(snakemake.output.volumes), names, classes, volumes)
    for name, mean in zip(classes, volumes.mean(axis=0), strict=True):
        report(f"{name}: {mean:.1f} voxels in the mean")

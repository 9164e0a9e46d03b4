"""Count the voxels of every class on nnU-Net's grid, under one labeling."""

import dicegrad.starting  # isort: skip

from pathlib import Path

import numpy as np

from dicegrad.data.cases import read_cases
from dicegrad.engines.nnunet import count_voxels
from dicegrad.logs import job
from dicegrad.preprocessing.epsilon import write_volumes

with job(snakemake.log[0], inputs=snakemake.input) as report:
    params, labels = snakemake.params, Path(snakemake.input.labels)
    names = [case.case for case in read_cases(Path(snakemake.input.cases))]
    counts = [count_voxels(labels, params.configuration, n, len(params.classes)) for n in names]
    volumes = np.stack(counts)
    write_volumes(Path(snakemake.output[0]), names, params.classes, volumes)
    for name, mean in zip(params.classes, volumes.mean(axis=0), strict=True):
        report(f"{name}: {mean:.1f} voxels on average")

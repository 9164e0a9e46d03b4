"""Which maps are annotated under one labeling."""

import dicegrad.starting  # isort: skip

from pathlib import Path

import numpy as np

from dicegrad.arrays import open_array
from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.about import read_about
from dicegrad.preprocessing.epsilon import class_volumes
from dicegrad.preprocessing.labeling import annotated_maps, voxel_volumes, write_annotated
from dicegrad.reporting.origin import write_made_with
from dicegrad.study import Labeling, Removal

with job(snakemake.log[0], inputs=snakemake.input) as report:
    files, params = snakemake.input, snakemake.params
    cases, classes = read_cases(Path(files.cases)), params.classes
    labeling = Labeling(
        snakemake.wildcards.labeling, tuple(Removal(**removal) for removal in params.removals)
    )
    voxels = class_volumes(
        open_array(files.labels, np.uint8, (len(cases), None, None, None)),
        len(classes),
        params.overlapping,
    )
    # Written by the job that wrote the labels; as an input of its own it would make every study of
    # earlier versions run again.
    grids = read_about(Path(files.labels).with_name("prepared.json")).grids
    voxel_mm3 = voxel_volumes(grids[case.case].spacing for case in cases)
    annotated = annotated_maps(cases, classes, labeling, voxels, voxel_mm3)
    names = [case.case for case in cases]
    write_annotated(Path(snakemake.output[0]), names, classes, annotated)
    write_made_with(
        Path(snakemake.output[0]), {"classes": params.classes, "removals": params.removals}
    )
    for name, flags in zip(classes, annotated.T, strict=True):
        report(f"{name}: annotated in {flags.sum()} of {len(flags)} cases")

"""Make the training labels of one labeling."""

import dicegrad.starting  # isort: skip

from pathlib import Path

import numpy as np

from dicegrad.arrays import open_array
from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.about import read_about
from dicegrad.preprocessing.labeling import apply_labeling, read_annotated, slice_steps
from dicegrad.preprocessing.slices import check_slices, slice_distances
from dicegrad.reporting.origin import write_made_with
from dicegrad.study import Labeling, Removal
from dicegrad.whole import whole_file

with job(snakemake.log[0], inputs=snakemake.input):
    files, params = snakemake.input, snakemake.params
    cases = read_cases(Path(files.cases))
    names = [case.case for case in cases]
    labeling = Labeling(
        snakemake.wildcards.labeling, tuple(Removal(**removal) for removal in params.removals)
    )
    # Written by the job that wrote the labels; as an input of its own it would make every study of
    # earlier versions run again.
    about = read_about(Path(files.labels).with_name("prepared.json"))
    originals = (about.originals[name].grid for name in names)
    distances = slice_distances(originals, (about.grids[name] for name in names))
    check_slices(snakemake.wildcards.dataset, cases, labeling, distances)
    labels = apply_labeling(
        open_array(files.labels, np.uint8, (len(names), None, None, None)),
        read_annotated(Path(files.annotated), names, params.classes),
        slice_steps(cases, labeling),
        params.overlapping,
    )
    with whole_file(Path(snakemake.output.labels)) as file:
        np.save(file, labels)
    write_made_with(
        Path(snakemake.output.labels), {"classes": params.classes, "removals": params.removals}
    )

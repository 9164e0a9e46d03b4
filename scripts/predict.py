"""Segment the held-out cases of one experiment and fold, on their original grids."""

import dicegrad.starting  # isort: skip

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from dicegrad.arrays import open_array
from dicegrad.data.cases import read_cases
from dicegrad.files import write_table
from dicegrad.logs import job
from dicegrad.prediction.inference import (
    WayBack,
    build_network,
    check_prepared,
    overlapping,
    predict_cases,
)
from dicegrad.prediction.window import slide_over_cases
from dicegrad.preprocessing.about import read_about
from dicegrad.preprocessing.folds import held_out
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.provenance import PREDICTION
from dicegrad.study.dataset_checks import SLIDE
from dicegrad.study.regions import overlap
from dicegrad.training.cards import card
from dicegrad.training.checkpoint import load_weights, remove_checkpoint
from dicegrad.training.network import NetworkSettings

cuda = snakemake.resources.gpu and torch.cuda.is_available()
with (
    job(snakemake.log[0], PREDICTION, snakemake.input) as report,
    card() if cuda else nullcontext("cpu") as device,
):
    files, params, out = snakemake.input, snakemake.params, Path(snakemake.output[0])
    torch.set_num_threads(snakemake.threads)
    about, cases = read_about(Path(files.about)), read_cases(Path(files.cases))
    fold = int(snakemake.wildcards.fold)
    chosen = np.flatnonzero(held_out(cases, Path(files.folds), params.fold_count, fold))
    shape = (len(cases), len(about.channels), None, None, None)
    images = open_array(files.images, np.float16, shape)
    settings = NetworkSettings.from_dict(
        params.network, len(about.channels), len(about.classes), overlap(about.class_values)
    )
    weights = load_weights(Path(files.weights))
    check_prepared(weights, about, Path(files.about))
    network = build_network(settings, weights, device)
    # That this job runs means that Snakemake has accepted the weights.
    remove_checkpoint(Path(files.weights).with_name("checkpoint.pt"))
    out.mkdir(parents=True)
    if params.window == SLIDE:
        way_back = WayBack(
            about, params.restoration, out, overlapping(network), params.soft_volumes
        )
        held = [cases[number] for number in chosen]
        preprocessing = Preprocessing.from_dict(params.preprocessing)
        volumes = slide_over_cases(network, held, preprocessing, way_back, report)
    else:
        volumes = predict_cases(
            network,
            [cases[number].case for number in chosen],
            [images[number] for number in chosen],
            about,
            params.restoration,
            out,
            report,
            soft=params.soft_volumes,
        )
    if volumes:
        write_table(volumes, out / "soft_volumes.tsv")

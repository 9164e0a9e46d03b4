"""Segment the held-out cases of one experiment and fold, on their original grids."""

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dicegrad.data.cases import get_adapter, read_cases
from dicegrad.logs import job
from dicegrad.prediction.inference import load_network, predict_case
from dicegrad.preprocessing.folds import read_folds
from dicegrad.preprocessing.grids import Grid
from dicegrad.training.cards import card
from dicegrad.training.network import NetworkSettings

cuda = snakemake.resources.gpu and torch.cuda.is_available()
with job(snakemake.log[0]) as report, card() if cuda else nullcontext("cpu") as device:
    params = snakemake.params
    torch.set_num_threads(snakemake.threads)
    cases = read_cases(Path(snakemake.input.cases))
    folds = read_folds(
        Path(snakemake.input.folds), {case.subject for case in cases}, params.fold_count
    )
    images = np.load(snakemake.input.images, mmap_mode="r")
    grids = json.loads(Path(snakemake.input.grids).read_text())
    values = get_adapter(params.adapter, Path(params.root)).class_values
    settings = NetworkSettings.from_dict(params.network, images.shape[1], len(params.classes))
    network = load_network(settings, Path(snakemake.input.weights), device)
    out = Path(snakemake.output[0])
    out.mkdir(parents=True)
    volumes = {}
    for image, case in zip(images, cases, strict=True):
        if folds[case.subject] != int(snakemake.wildcards.fold):
            continue
        path = out / f"{case.case}.nii.gz"
        grid = Grid.from_json(grids[case.case])
        volumes[case.case] = predict_case(
            network, case, image, grid, params.classes, values, params.restoration, path
        )
        report(case.case)
    if params.soft_volumes:
        table = pd.DataFrame.from_dict(volumes, orient="index").rename_axis("case")
        table.to_csv(out / "soft_volumes.tsv", sep="\t")

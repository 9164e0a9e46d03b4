"""Segment the test set with the networks of all folds of one experiment, averaged."""

import dicegrad.starting  # isort: skip

from contextlib import nullcontext
from pathlib import Path

import torch

from dicegrad.data.cases import check_originals, read_cases
from dicegrad.logs import job
from dicegrad.prediction.model import Model, read_weights
from dicegrad.prediction.new_cases import predict_images
from dicegrad.prediction.new_images import read_images
from dicegrad.study.dataset_checks import SLIDE
from dicegrad.training.cards import card

cuda = snakemake.resources.gpu and torch.cuda.is_available()
with (
    job(snakemake.log[0], ["dicegrad.prediction.new_cases"], snakemake.input) as report,
    card() if cuda else nullcontext("cpu") as device,
):
    files, params, out = snakemake.input, snakemake.params, Path(snakemake.output[0])
    torch.set_num_threads(snakemake.threads)
    weights = [files.weights] if isinstance(files.weights, str) else files.weights
    model = Model.from_weights(
        read_weights([Path(path) for path in weights]), device=device, slide=params.window == SLIDE
    )
    out.mkdir(parents=True)
    for case in read_cases(Path(files.cases)):
        check_originals(case, case.images)
        new = read_images(case.images, model)
        predict_images(model, case.case, new, out)
        for line in (*new.notes, *new.doubts):
            report(f"{case.case}: {line}")
    report(f"networks of {len(weights)} folds, averaged")

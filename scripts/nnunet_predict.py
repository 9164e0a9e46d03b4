"""Let nnU-Net segment the held-out cases of one experiment and fold."""

import dicegrad.starting  # isort: skip

import os
from contextlib import nullcontext
from pathlib import Path

import torch

from dicegrad.data.cases import read_cases
from dicegrad.engines.nnunet import NAME, environment
from dicegrad.engines.nnunet_predict import predict_cases
from dicegrad.logs import job
from dicegrad.preprocessing.about import read_about
from dicegrad.preprocessing.folds import held_out
from dicegrad.training.cards import card

cuda = snakemake.resources.gpu and torch.cuda.is_available()
with (
    job(snakemake.log[0], ["dicegrad.engines.nnunet_predict"], snakemake.input) as report,
    card() if cuda else nullcontext("cpu") as device,
):
    files, out = snakemake.input, Path(snakemake.output[0])
    torch.set_num_threads(snakemake.threads)
    os.environ.update(environment(Path(files.raw).parent, snakemake.threads))
    cases, fold = read_cases(Path(files.cases)), int(snakemake.wildcards.fold)
    out_of_fold = held_out(cases, Path(files.folds), snakemake.params.fold_count, fold)
    out.mkdir(parents=True)
    predict_cases(
        Path(files.weights),
        [case.case for case, out_ in zip(cases, out_of_fold, strict=True) if out_],
        Path(files.raw) / NAME,
        read_about(Path(files.about)),
        out,
        device,
        report,
    )

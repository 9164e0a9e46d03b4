"""Train the network of one experiment and fold."""

import dicegrad.starting  # isort: skip

from contextlib import nullcontext
from pathlib import Path

import torch

from dicegrad.errors import InputError
from dicegrad.logs import job
from dicegrad.provenance import TRAINING
from dicegrad.study import Experiment
from dicegrad.training.cards import card
from dicegrad.training.experiment import PreparedFiles, train_experiment

cuda = snakemake.resources.gpu and torch.cuda.is_available()
with (
    job(snakemake.log[0], TRAINING, snakemake.input) as report,
    card() if cuda else nullcontext("cpu") as device,
):
    files, params = snakemake.input, snakemake.params
    if params.device == "cuda" and not cuda:
        raise InputError(
            "device is cuda, but torch finds no GPU here; install a build of torch for CUDA, or "
            "set device to auto or cpu"
        )
    torch.set_num_threads(snakemake.threads)
    keys = ("classes", "fold_count", "network", "training", "sampling", "released", "source")
    train_experiment(
        Experiment.from_path(snakemake.wildcards.experiment),
        int(snakemake.wildcards.fold),
        PreparedFiles(**{each: Path(file) if file else None for each, file in files.items()}),
        {key: params[key] for key in keys},
        params.study,
        params.seed,
        Path(snakemake.output.weights).parent,
        device,
        report,
        # The workflow has decided that this training run starts from scratch; but a node whose GPU
        # fails is no reason to throw away what a GPU has trained.
        set_aside=bool(cuda) or not snakemake.resources.gpu,
        tensorboard=Path(params.tensorboard) if params.tensorboard else None,
        # Snakemake deletes weights that it does not accept, such as those older than an input.
        keep_checkpoint=True,
    )

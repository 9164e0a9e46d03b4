"""Train the network of one experiment and fold."""

from contextlib import nullcontext
from pathlib import Path

import torch

from dicegrad.errors import InputError
from dicegrad.logs import job
from dicegrad.training.cards import card
from dicegrad.training.experiment import Experiment, PreparedFiles, train_experiment

cuda = snakemake.resources.gpu and torch.cuda.is_available()
with job(snakemake.log[0]) as report, card() if cuda else nullcontext("cpu") as device:
    row, files, params = snakemake.wildcards, snakemake.input, snakemake.params
    if params.device == "cuda" and not cuda:
        raise InputError(
            "device is cuda, but torch finds no GPU here; install a build of torch for CUDA, or "
            "set device to auto or cpu"
        )
    torch.set_num_threads(snakemake.threads)
    train_experiment(
        Experiment(row.dataset, row.labeling, row.loss, row.phi, row.epsilon, row.batch_size),
        int(row.fold),
        PreparedFiles(
            *(Path(path) for path in (files.cases, files.folds, files.images, files.labels)),
            epsilon=Path(files.epsilon) if files.epsilon else None,
        ),
        {
            key: params[key]
            for key in ("classes", "fold_count", "network", "training", "sampling", "released")
        },
        params.study,
        params.seed,
        Path(snakemake.output.weights).parent,
        device,
        report,
        # The workflow has decided that this training is to be done anew; but a node whose GPU fails
        # is no reason to throw away what a GPU has trained.
        set_aside=bool(cuda) or not snakemake.resources.gpu,
        tensorboard=Path(params.tensorboard) if params.tensorboard else None,
    )

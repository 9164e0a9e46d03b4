"""Let nnU-Net train the network of one experiment and fold."""

import dicegrad.starting  # isort: skip

import os
from contextlib import nullcontext
from pathlib import Path

import torch

from dicegrad.data.cases import read_cases
from dicegrad.engines.nnunet import NnunetSettings, environment
from dicegrad.engines.nnunet_train import Task, train
from dicegrad.errors import InputError
from dicegrad.logs import job
from dicegrad.preprocessing.folds import held_out
from dicegrad.preprocessing.labeling import read_annotated
from dicegrad.study import Experiment
from dicegrad.training.cards import card
from dicegrad.training.experiment import epsilon_of
from dicegrad.training.run import derive_seed

cuda = snakemake.resources.gpu and torch.cuda.is_available()
with (
    job(snakemake.log[0], ["dicegrad.interop.nnunet_study"], snakemake.input) as report,
    card() if cuda else nullcontext("cpu") as device,
):
    files, params, fold = snakemake.input, snakemake.params, int(snakemake.wildcards.fold)
    if params.device == "cuda" and not cuda:
        raise InputError(
            "device is cuda, but torch finds no GPU here; install a build of torch for CUDA, or "
            "set device to auto or cpu"
        )
    torch.set_num_threads(snakemake.threads)
    out, labels = Path(snakemake.output.weights).parent, Path(files.labels)
    # nnU-Net reads its folders from the environment, some of it when it is imported.
    own = environment(labels, snakemake.threads, out / "nnunet")
    os.environ.update({**own, "nnUNet_preprocessed": str(labels.absolute())})
    from dicegrad.interop.nnunet_study import nnUNetTrainerStudy

    experiment = Experiment.from_path(snakemake.wildcards.experiment)
    cases = read_cases(Path(files.cases))
    names, classes = [case.case for case in cases], params.classes
    annotated = read_annotated(Path(files.annotated), names, classes) if files.annotated else None
    epsilon = Path(files.epsilon) if files.epsilon else None
    row = map(str, experiment.row.values())
    task = Task.of(
        experiment,
        cases,
        held_out(cases, Path(files.folds), params.fold_count, fold),
        params.sampling,
        annotated,
        classes,
        epsilon_of(experiment, epsilon, fold, classes),
        NnunetSettings.from_dict(params.nnunet),
        derive_seed(params.seed, params.study, *row, fold),
    )
    train(nnUNetTrainerStudy, task, fold, labels, out, device, report)

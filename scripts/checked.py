"""Every data set has been read: say what will be trained on, and for how long."""

import dicegrad.starting  # isort: skip

import sys
from pathlib import Path

import torch

from dicegrad.logs import job
from dicegrad.planning.look import prepared_data
from dicegrad.planning.overview import Machine, overview, pairs
from dicegrad.study import Dataset

with job(snakemake.log[0], inputs=snakemake.input) as report:
    params = snakemake.params
    datasets = [Dataset.from_settings(name, each) for name, each in params.datasets.items()]
    data = [(each, prepared_data(Path("resources", each.name), each)) for each in datasets]
    cuda = params.device == "cuda" or (params.device == "auto" and torch.cuda.is_available())
    device = "cuda" if cuda and torch.cuda.is_available() else "" if cuda else "cpu"
    machine = Machine(params.cores, params.threads_of_training, "" if params.cluster else device)
    found = overview(data, pairs(params.rows), params.folds, machine)
    for line in found.lines():
        report(line)
    for line in found.minutes():
        print(line, file=sys.stderr, flush=True)
    Path(snakemake.output[0]).touch()

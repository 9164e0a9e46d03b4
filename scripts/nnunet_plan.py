"""Bring a dataset into nnU-Net's layout, and let nnU-Net plan."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.data.adapters import get_adapter
from dicegrad.data.cases import read_cases
from dicegrad.engines.nnunet import NnunetSettings, plan_dataset
from dicegrad.logs import job

with job(snakemake.log[0], ["dicegrad.engines.nnunet"], snakemake.input) as report:
    params, output = snakemake.params, snakemake.output
    plan_dataset(
        read_cases(Path(snakemake.input.cases)),
        get_adapter(params.adapter, Path(params.root)),
        params.classes,
        {"align": params.align, "orientation": params.orientation},
        NnunetSettings(
            configuration=params.configuration, planner=params.planner, memory=params.memory
        ),
        Path(output.raw),
        Path(output.plans),
        snakemake.threads,
        report,
    )

"""Bring every case to the network's grid, normalise it, and stack the cases."""

from pathlib import Path

from dicegrad.data.cases import get_adapter, read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.prepare import prepare_dataset
from dicegrad.preprocessing.settings import Preprocessing

with job(snakemake.log[0]) as report:
    prepare_dataset(
        read_cases(Path(snakemake.input.cases)),
        get_adapter(snakemake.params.adapter, Path(snakemake.params.root)),
        snakemake.params.classes,
        Preprocessing.from_dict(snakemake.params.preprocessing),
        Path(snakemake.output.images),
        Path(snakemake.output.labels),
        Path(snakemake.output.grids),
        workers=snakemake.threads,
        progress=lambda done, total, case: report(f"{done}/{total} {case}"),
    )

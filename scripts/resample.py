"""Bring every case to the network's grid, normalise it, and stack the cases."""

import dicegrad.starting  # isort: skip

import sys
from pathlib import Path

from dicegrad.data.adapters import get_adapter
from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.prepare import prepare_dataset
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.provenance import RESAMPLING
from dicegrad.reporting.origin import PREPARED
from dicegrad.reporting.record import write_yaml

with job(snakemake.log[0], RESAMPLING, snakemake.input) as report:
    params, output = snakemake.params, snakemake.output

    def show(line: str) -> None:
        """A line for the log, and for whoever waits."""
        report(line)
        print(line, file=sys.stderr, flush=True)

    prepare_dataset(
        read_cases(Path(snakemake.input.cases)),
        get_adapter(params.adapter, Path(params.root)),
        params.classes,
        Preprocessing.from_dict(params.preprocessing),
        Path(output.images),
        Path(output.labels),
        Path(output.about),
        workers=snakemake.threads,
        progress=lambda done, total, case: report(f"{done}/{total} {case}"),
        doubt=show,
    )
    # For a study to which the prepared cases are copied; nothing else reads it.
    write_yaml(Path(output.about).with_name(PREPARED), params.settings)

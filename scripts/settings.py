"""Copy the settings of the study beside its results."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.logs import job
from dicegrad.reporting.record import write_settings

# The table is the user's to edit, also where an earlier version laid a checksum beside it.
with job(snakemake.log[0]):
    folder, params = Path(snakemake.output[0]).parent, snakemake.params
    write_settings(folder, params.config, Path(snakemake.input.experiments), params.datasets)

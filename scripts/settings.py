"""Copy the settings of the study beside its results."""

from pathlib import Path

from dicegrad.logs import job
from dicegrad.reporting.record import write_settings

with job(snakemake.log[0], inputs=snakemake.input):
    folder = Path(snakemake.output[0]).parent
    experiments = Path(snakemake.input.experiments)
    write_settings(folder, snakemake.params.config, experiments, snakemake.params.datasets)

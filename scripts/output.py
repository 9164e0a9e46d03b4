"""Make one output of the study: its tables, its figure, its text."""

import dicegrad.starting  # isort: skip

from dicegrad.logs import job
from dicegrad.reporting.produce import produce

with job(snakemake.log[0], inputs=snakemake.input) as report:
    files, params = snakemake.input, snakemake.params
    produce(
        params.output,
        {name: [value] if isinstance(value, str) else list(value) for name, value in files.items()},
        {name: params[name] for name in params.settings},
        dict(snakemake.output.items()),
        report,
    )

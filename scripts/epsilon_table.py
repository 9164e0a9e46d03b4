"""Put the heuristic epsilons of a study in one table."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.logs import job
from dicegrad.preprocessing.epsilon import epsilon_of_study, write_epsilon

with job(snakemake.log[0], inputs=snakemake.input) as report:
    tables = zip(map(Path, snakemake.input), snakemake.params.annotated_only, strict=True)
    rows = epsilon_of_study(dict(tables))
    write_epsilon(Path(snakemake.output[0]), rows)
    report(f"{len(rows)} rows")

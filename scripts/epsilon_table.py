"""Put the heuristic epsilons of a study in one table."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.files import read_rows
from dicegrad.logs import job
from dicegrad.preprocessing.epsilon import EPSILON, write_epsilon

with job(snakemake.log[0], inputs=snakemake.input) as report:
    rows = [row for path in snakemake.input for row in read_rows(path, EPSILON)]
    write_epsilon(Path(snakemake.output[0]), rows)
    report(f"{len(rows)} rows")

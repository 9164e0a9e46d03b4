"""Put the scores of all experiments in one table, each with the name of its setup."""

import dicegrad.starting  # isort: skip

from dicegrad.evaluation.scores import collect_scores, write_scores
from dicegrad.logs import job

with job(snakemake.log[0], inputs=snakemake.input) as report:
    scores = collect_scores(snakemake.input, snakemake.params.setups, snakemake.params.seeds)
    write_scores(scores, snakemake.output[0])
    report(f"{len(scores)} rows")

"""Put the scores on the test set of all experiments in one table."""

import dicegrad.starting  # isort: skip

from dicegrad.evaluation.scores import collect_scores, write_scores
from dicegrad.evaluation.test_set import TEST_SCORES
from dicegrad.logs import job

with job(snakemake.log[0], inputs=snakemake.input) as report:
    params = snakemake.params
    scores = collect_scores(snakemake.input, params.setups, params.seeds, TEST_SCORES)
    write_scores(scores, snakemake.output[0])
    report(f"{len(scores)} rows")

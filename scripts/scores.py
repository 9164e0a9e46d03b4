"""Put the scores of all experiments in one table."""

from dicegrad.evaluation.scores import read_scores, write_scores
from dicegrad.logs import job

with job(snakemake.log[0]) as report:
    scores = read_scores(snakemake.input)
    write_scores(scores, snakemake.output[0])
    report(f"{len(scores)} rows")

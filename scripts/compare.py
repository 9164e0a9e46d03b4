"""Test which results differ."""

from dicegrad.evaluation.comparisons import compare
from dicegrad.evaluation.scores import read_scores, write_scores
from dicegrad.logs import job

with job(snakemake.log[0]) as report:
    comparisons = compare(read_scores(snakemake.input[0]), draws=snakemake.params.draws)
    write_scores(comparisons, snakemake.output[0])
    report(f"{len(comparisons)} comparisons")

"""Score the predictions of one experiment for the test set."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.data.cases import read_cases
from dicegrad.evaluation.scores import write_scores
from dicegrad.evaluation.test_set import score_test_set
from dicegrad.logs import job
from dicegrad.preprocessing.about import read_about
from dicegrad.study import Experiment

with job(snakemake.log[0], inputs=snakemake.input) as report:
    files = snakemake.input
    scores = score_test_set(
        read_cases(Path(files.cases)),
        Path(files.predictions),
        read_about(Path(files.about)),
        Experiment.from_path(snakemake.wildcards.experiment),
    )
    write_scores(scores, snakemake.output[0])
    report(f"{len(scores)} rows")

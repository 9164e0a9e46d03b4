"""Score the predictions of one experiment, all folds, at the original resolution."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.data.cases import read_cases
from dicegrad.evaluation.failed import volume_lines
from dicegrad.evaluation.scores import score_folds, write_scores
from dicegrad.logs import job
from dicegrad.preprocessing.about import read_about
from dicegrad.study import Experiment

with job(snakemake.log[0], inputs=snakemake.input) as report:
    files, params = snakemake.input, snakemake.params
    scores = score_folds(
        read_cases(Path(files.cases)),
        Path(files.folds),
        params.fold_count,
        dict(zip(params.folds, map(Path, files.predictions), strict=True)),
        read_about(Path(files.about)),
        Experiment.from_path(snakemake.wildcards.experiment),
        masked=params.masked,
        soft=params.soft_volumes,
    )
    write_scores(scores, snakemake.output[0])
    report(f"{len(scores)} rows")
    for line in volume_lines(scores):
        report(line)

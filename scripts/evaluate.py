"""Score the predictions of one experiment, all folds, at the original resolution."""

from pathlib import Path

import pandas as pd

from dicegrad.data.cases import check_originals, read_cases
from dicegrad.evaluation.scores import score_fold, with_soft_volumes, write_scores
from dicegrad.logs import job
from dicegrad.preprocessing.folds import held_out
from dicegrad.preprocessing.prepare import read_about
from dicegrad.study import Experiment

with job(snakemake.log[0], inputs=snakemake.input) as report:
    files, params, tables = snakemake.input, snakemake.params, []
    cases, about = read_cases(Path(files.cases)), read_about(Path(files.about))
    for fold, folder in zip(params.folds, map(Path, files.predictions), strict=True):
        out_of_fold = held_out(cases, Path(files.folds), params.fold_count, fold)
        chosen = [case for case, out in zip(cases, out_of_fold, strict=True) if out]
        for case in chosen:
            check_originals(case, [case.label])
        table = score_fold(
            chosen,
            [folder / f"{case.case}.nii.gz" for case in chosen],
            about.class_values,
            Experiment.from_path(snakemake.wildcards.experiment),
            fold,
            masked=params.masked,
            ignore=about.ignore,
        )
        if params.soft_volumes:
            table = with_soft_volumes(table, folder / "soft_volumes.tsv")
        tables.append(table)
        report(f"fold {fold}: {len(chosen)} cases")
    write_scores(pd.concat(tables), snakemake.output[0])

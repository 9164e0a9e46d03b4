"""Score the predictions of one experiment, all folds, at the original resolution."""

from pathlib import Path

import pandas as pd

from dicegrad.data.cases import get_adapter
from dicegrad.evaluation.scores import score_fold, with_soft_volumes, write_scores
from dicegrad.logs import job
from dicegrad.preprocessing.folds import read_folds

with job(snakemake.log[0]) as report:
    params = snakemake.params
    values = get_adapter(params.adapter, Path(params.root)).class_values
    values = {name: values[name] for name in params.classes}
    cases = pd.read_csv(snakemake.input.cases, sep="\t", dtype=str, keep_default_na=False)
    folds = read_folds(Path(snakemake.input.folds), set(cases["subject"]), params.fold_count)
    tables = []
    for fold, folder in zip(params.folds, snakemake.input.predictions, strict=True):
        held_out = cases[cases["subject"].map(folds) == fold]
        predictions = [Path(folder) / f"{case}.nii.gz" for case in held_out["case"]]
        table = score_fold(
            *(held_out, predictions, values, params.experiment, fold), masked=params.masked
        )
        if params.soft_volumes:
            table = with_soft_volumes(table, Path(folder) / "soft_volumes.tsv")
        tables.append(table)
        report(f"fold {fold}: {len(held_out)} cases")
    write_scores(pd.concat(tables), snakemake.output[0])

"""Scores on a test set that no network of a study has seen: `test_scores.tsv` and its table."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dicegrad.data.cases import Case, check_originals
from dicegrad.evaluation.bootstrap import mean_interval
from dicegrad.evaluation.experiments import CELL, one_score_each
from dicegrad.evaluation.scores import SCORES, score_fold
from dicegrad.evaluation.seeds import over_seeds, with_spread_of_cells
from dicegrad.preprocessing.about import About
from dicegrad.study.experiment import Experiment

# As SCORES, of one prediction a case: the networks of all folds are averaged.
TEST_SCORES = replace(SCORES, whole=("batch_size", "seed"))
TEST_COLUMNS = (
    *CELL,
    "n",
    "dsc",
    "dsc_low",
    "dsc_high",
    "delta_volume_ml",
    "delta_volume_low",
    "delta_volume_high",
    "hd95_mm",
    "surface_dice",
)


def score_test_set(
    cases: Sequence[Case], folder: Path, about: About, experiment: Experiment
) -> pd.DataFrame:
    """Score the predictions of one experiment for its test set.

    Args:
        cases: Of the test set.
        folder: Holds `<case>.nii.gz`.
        about: The prepared dataset.
        experiment: The row of the experiment table.

    Returns:
        As `score_fold`, without a fold.

    Raises:
        InputError: See `score_case`; or a label map is not the one that was checked.
    """
    for case in cases:
        check_originals(case, [case.label])
    scores = score_fold(
        cases,
        [folder / f"{case.case}.nii.gz" for case in cases],
        about.class_values,
        experiment,
        0,
        ignore=about.ignore,
        align=about.align,
    )
    return scores.drop(columns="fold")


def table_of_test_set(test_scores: pd.DataFrame) -> pd.DataFrame:
    """Means on the test set, of every class and group.

    Args:
        test_scores: test_scores.tsv.

    Returns:
        Table with `TEST_COLUMNS`, with 95 % bootstrap intervals by subject. Of several seeds it is
        of the mean of each case over them, with what `seeds.with_spread` adds. HD95 is a mean
        over the cases that have it.

    Raises:
        InputError: Two experiments share a name.
    """
    means = over_seeds(one_score_each(test_scores))
    surfaces = ("hd95_mm", "surface_dice")
    means = means.reindex(columns=list(dict.fromkeys([*means, *surfaces])))
    rows = []
    for keys, cases in means.groupby(CELL, sort=False):
        dsc = mean_interval(cases["dsc"], cases["subject"])
        difference = cases["volume_pred_ml"] - cases["volume_true_ml"]
        delta = mean_interval(difference, cases["subject"])
        row = dict(zip(CELL, keys, strict=True)) | {"n": dsc.n}
        row |= {"dsc": dsc.mean, "dsc_low": dsc.low, "dsc_high": dsc.high}
        row |= {"delta_volume_ml": delta.mean, "delta_volume_low": delta.low}
        row |= {"delta_volume_high": delta.high}
        rows.append(row | {name: cases[name].mean() for name in surfaces})
    table = pd.DataFrame(rows, columns=list(TEST_COLUMNS))
    return with_spread_of_cells(table, test_scores)

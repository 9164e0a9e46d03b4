"""Training runs that did not learn what they were given labels of.

A short training run can stay where it began: a class is output everywhere, or nowhere. That says
nothing about missing labels, and little about the loss; another seed or more epochs often end it.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dicegrad.evaluation.experiments import NAMED_BY
from dicegrad.evaluation.seeds import seeds_of
from dicegrad.evaluation.setups import share_missing
from dicegrad.files import Columns

# Predicted volume over true volume, above which or below whose inverse a class was not learnt.
TIMES = 3.0

FAILED = Columns(
    text=("dataset", "labeling", "setup", "group", "class"),
    whole=("batch_size", "seed", "fold", "n"),
    numbers=("dsc", "volume_ratio"),
    optional=("seed",),
)
_COLUMNS = ("fold", "group", "class", "n", "dsc", "volume_ratio")


def failed_runs(runs: pd.DataFrame, datasets: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Labelled groups and classes whose predicted volume is far from the true one.

    Args:
        runs: scores.tsv, every seed by itself.
        datasets: {name: `Dataset.about`}.

    Returns:
        A row for each training run (experiment, fold and seed), group and class that has labels
        there, where the predicted volume of all held-out cases is more than three times the true
        one; or, if the labeling took none of them, less than a third of it: missing labels make a
        structure smaller, never larger. `volume_ratio` is predicted over true.
    """
    drawn = runs[runs["volume_true_ml"] > 0]
    seed = ["seed"] if seeds_of(runs) else []
    cells = drawn.groupby([*NAMED_BY, *seed, "fold", "group", "class"], sort=False)
    found = cells.agg(
        n=("case", "size"),
        dsc=("dsc", "mean"),
        true=("volume_true_ml", "sum"),
        predicted=("volume_pred_ml", "sum"),
    ).reset_index()
    found["volume_ratio"] = found["predicted"] / found["true"]
    keys = ("dataset", "labeling", "group", "class")
    shares = [
        share_missing(datasets[dataset], labeling, group, name) if dataset in datasets else 1.0
        for dataset, labeling, group, name in found[list(keys)].itertuples(index=False)
    ]
    missing = pd.Series(shares, index=found.index, dtype=float)
    too_large = (found["volume_ratio"] > TIMES) & (missing < 1)
    too_small = (found["volume_ratio"] < 1 / TIMES) & (missing == 0)
    chosen = found.loc[too_large | too_small, [*NAMED_BY, *seed, *_COLUMNS]]
    return chosen.reset_index(drop=True)


def volume_lines(scores: pd.DataFrame) -> list[str]:
    """Lines on one experiment for its log: DSC and volume of each fold, group and class.

    Args:
        scores: Rows of scores.tsv. Maps without a true voxel are left out.

    Returns:
        What is far from the true volume is marked with `!`: where labels were missing in training
        that may be what the loss was taught; where they were there, it was not learnt.
    """
    lines = []
    drawn = scores[scores["volume_true_ml"] > 0]
    for (fold, group, name), cases in drawn.groupby(["fold", "group", "class"], sort=False):
        ratio = float(cases["volume_pred_ml"].sum() / cases["volume_true_ml"].sum())
        mark = "" if 1 / TIMES <= ratio <= TIMES else "! "
        dsc = float(cases["dsc"].mean())
        lines.append(f"{mark}fold {fold}, {group}, {name}: DSC {dsc:.2f}, {times(ratio)}")
    return lines


def times(ratio: float) -> str:
    """A ratio of volumes in words.

    Example:
        >>> times(10.2), times(0.04), times(0.0)
        ('10 times the true volume', '4 % of the true volume', 'an empty map')
    """
    if ratio == 0:
        return "an empty map"
    if ratio < 1:
        return f"{100 * ratio:.2g} % of the true volume"
    return f"{ratio:.2g} times the true volume"

"""Training runs that differ in their seed alone: the mean of each case over them, and their spread.

Another seed is another training run, not another case. So what is tested, or has an interval, is
the mean of each case over the seeds, and n stays the number of cases.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dicegrad.evaluation.experiments import CELL

# What a case and class has of each training run; all else is the same for every seed.
_OF_RUNS = (
    "dsc",
    "volume_true_ml",
    "volume_pred_ml",
    "volume_map_ml",
    "volume_error_ml",
    "hd95_mm",
    "surface_dice",
)


def seeds_of(scores: pd.DataFrame) -> list[int]:
    """The seeds of a study, in its order; empty where it has one alone."""
    return list(dict.fromkeys(scores["seed"])) if "seed" in scores else []


def over_seeds(scores: pd.DataFrame) -> pd.DataFrame:
    """The mean of each case and class over the seeds.

    Args:
        scores: scores.tsv.

    Returns:
        The table itself where the study has one seed. Else one row where there was one for each
        seed, with `volume_error_ml`, the mean of the absolute errors. A value that some seeds
        lack, such as the HD95 of an empty map, is the mean of the others.
    """
    if "seed" not in scores:
        return scores
    every = scores.assign(volume_error_ml=volume_error(scores))
    values = [name for name in _OF_RUNS if name in every]
    keys = [name for name in scores if name not in (*values, "seed")]
    means = every.groupby(keys, sort=False, dropna=False)[values].mean().reset_index()
    order = [name for name in every if name != "seed"]
    return means[order]


def volume_error(scores: pd.DataFrame) -> pd.Series:
    """Absolute difference (ml) of predicted and true volume; over seeds, its mean."""
    if "volume_error_ml" in scores:
        return scores["volume_error_ml"]
    return (scores["volume_pred_ml"] - scores["volume_true_ml"]).abs()


def spread(scores: pd.DataFrame, by: Sequence[str], column: str) -> pd.Series:
    """Standard deviation, over the seeds, of the mean over the cases.

    Args:
        scores: scores.tsv with its column `seed`.
        by: Columns that name the means.
        column: Whose mean.

    Returns:
        A value for each, n - 1 in the denominator, by the columns named.
    """
    means = scores.groupby([*by, "seed"], sort=False)[column].mean()
    return means.groupby(list(by), sort=False).std()


def with_spread(
    table: pd.DataFrame, runs: pd.DataFrame | None, by: Sequence[str], columns: Mapping[str, str]
) -> pd.DataFrame:
    """A table of means with their spread over the seeds.

    Args:
        table: One row per mean.
        runs: scores.tsv, with its column `seed` where the study has several.
        by: Columns that name the means.
        columns: Column of the table -> that of the runs whose mean it is.

    Returns:
        The table itself where there is one seed. Else with the columns `seeds`, their number, and
        `<column>_seed_sd`, see `spread`; NaN where the mean is.
    """
    if runs is None or not seeds_of(runs):
        return table
    named = table[list(by)].itertuples(index=False, name=None)
    places = pd.MultiIndex.from_tuples(list(named), names=list(by))
    found: dict[str, Any] = {"seeds": len(seeds_of(runs))}
    for column, source in columns.items():
        values = spread(runs, by, source).reindex(places).to_numpy()
        found[f"{column}_seed_sd"] = np.where(table[column].notna(), values, np.nan)
    return table.assign(**found)


def with_spread_of_cells(table: pd.DataFrame, runs: pd.DataFrame | None) -> pd.DataFrame:
    """A table of `dsc` and `delta_volume_ml` by `CELL`, with their spread; see `with_spread`."""
    if runs is not None:
        difference = runs["volume_pred_ml"] - runs["volume_true_ml"]
        runs = runs.assign(delta_volume_ml=difference)
    return with_spread(table, runs, CELL, {"dsc": "dsc", "delta_volume_ml": "delta_volume_ml"})


def seeds_note(table: pd.DataFrame) -> str:
    """A sentence for captions and texts on the spread in a table; empty with one seed."""
    if "seeds" not in table or table.empty:
        return ""
    return (
        f"Mean over {int(table['seeds'].iloc[0])} seeds of the training; ± is the standard "
        "deviation over them. Tests and intervals are of the mean of each case over the seeds."
    )

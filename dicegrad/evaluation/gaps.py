"""Which loss survives which gap in the labels: the maps that a labeling takes something from."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dicegrad.evaluation.bootstrap import mean_interval
from dicegrad.evaluation.experiments import NAMED_BY, one_score_each
from dicegrad.evaluation.seeds import with_spread
from dicegrad.evaluation.setups import share_missing
from dicegrad.files import Columns
from dicegrad.study.labeling import FULL

GAPS = Columns(
    text=("dataset", "labeling", "setup", "classes"),
    whole=("batch_size", "n", "seeds"),
    numbers=("dsc", "dsc_low", "dsc_high", "dsc_full", "dsc_seed_sd"),
    optional=("seeds", "dsc_seed_sd"),
)


def gaps(
    scores: pd.DataFrame,
    datasets: Mapping[str, Mapping[str, Any]],
    runs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Mean DSC, against full labels, of the maps that each labeling takes something from.

    Args:
        scores: scores.tsv, the mean of each case over the seeds.
        datasets: {name: `Dataset.about`}.
        runs: scores.tsv, every seed by itself.

    Returns:
        One row per dataset, labeling and setup. `classes`: those that lose labels, all of them
        where only slices do; `dsc` over the held-out maps of these classes in the groups that lose
        them, with its 95 % bootstrap interval by subject and their number `n`; `dsc_full`: the
        highest that a setup of the study reaches on the same maps with full labels, NaN without.
        Of several seeds also what `seeds.with_spread` adds.
    """
    named = one_score_each(scores)
    rows: list[dict[str, Any]] = []
    parts: list[pd.DataFrame] = []
    for (dataset, labeling), _ in named.groupby(["dataset", "labeling"], sort=False):
        of_dataset = named[named["dataset"] == dataset]
        concerned = of_dataset[_concerned(of_dataset, datasets[dataset], str(labeling))]
        full = concerned[concerned["labeling"] == FULL]
        best = full.groupby(["setup", "batch_size"])["dsc"].mean().max()
        here = concerned[concerned["labeling"] == labeling]
        if runs is not None:
            of_dataset = runs[runs["dataset"] == dataset]
            every = of_dataset[_concerned(of_dataset, datasets[dataset], str(labeling))]
            parts.append(every[every["labeling"] == labeling])
        for keys, cases in here.groupby(NAMED_BY, sort=False):
            interval = mean_interval(cases["dsc"], cases["subject"])
            rows.append(
                {
                    **dict(zip(NAMED_BY, keys, strict=True)),
                    "classes": ", ".join(dict.fromkeys(cases["class"])),
                    "n": interval.n,
                    "dsc": interval.mean,
                    "dsc_low": interval.low,
                    "dsc_high": interval.high,
                    "dsc_full": best,
                }
            )
    columns = [*NAMED_BY, "classes", "n", "dsc", "dsc_low", "dsc_high", "dsc_full"]
    table = pd.DataFrame(rows, columns=columns)
    return with_spread(table, pd.concat(parts) if parts else None, NAMED_BY, {"dsc": "dsc"})


def _concerned(scores: pd.DataFrame, about: Mapping[str, Any], labeling: str) -> pd.Series:
    """The rows of maps that a labeling takes something from; all of them if it takes no map."""
    cells = scores[["group", "class"]].drop_duplicates()
    touched = {
        (group, name)
        for group, name in cells.itertuples(index=False)
        if labeling != FULL and share_missing(about, labeling, group, name) > 0
    }
    if not touched:
        return pd.Series(True, index=scores.index)
    pairs = zip(scores["group"], scores["class"], strict=True)
    return pd.Series([pair in touched for pair in pairs], index=scores.index)

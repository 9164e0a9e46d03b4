"""Surface metrics of every training run, group and class: HD95 and normalised surface Dice."""

import pandas as pd

from dicegrad.evaluation.bootstrap import mean_interval
from dicegrad.evaluation.experiments import CELL, one_score_each

_METRICS = ("hd95_mm", "surface_dice")
SURFACE_COLUMNS = (
    *CELL,
    "n",
    "hd95_n",
    "hd95_mm",
    "hd95_low",
    "hd95_high",
    "surface_dice",
    "surface_dice_low",
    "surface_dice_high",
)


def surfaces(scores: pd.DataFrame) -> pd.DataFrame:
    """Means of the surface metrics with their bootstrap intervals.

    Args:
        scores: scores.tsv, the mean of each case over the seeds; without its surface columns all
            means are NaN.

    Returns:
        Table with `SURFACE_COLUMNS`. HD95 has no value where a map is empty, so it is a mean over
        `hd95_n` of the n cases: compare it with that number beside it. Surface Dice is 0 there (1
        where both are empty) and a mean over all.

    Raises:
        InputError: Two experiments share a name.
    """
    named = one_score_each(scores)
    named = named.reindex(columns=list(dict.fromkeys([*named, *_METRICS])))
    rows = []
    for keys, cases in named.groupby(CELL, sort=False):
        distance = mean_interval(cases["hd95_mm"], cases["subject"])
        overlap = mean_interval(cases["surface_dice"], cases["subject"])
        rows.append(
            {
                **dict(zip(CELL, keys, strict=True)),
                "n": len(cases),
                "hd95_n": distance.n,
                "hd95_mm": distance.mean,
                "hd95_low": distance.low,
                "hd95_high": distance.high,
                "surface_dice": overlap.mean,
                "surface_dice_low": overlap.low,
                "surface_dice_high": overlap.high,
            }
        )
    return pd.DataFrame(rows, columns=list(SURFACE_COLUMNS))

"""Agreement of predicted and true volumes, after Bland and Altman."""

import numpy as np
import pandas as pd

from dicegrad.evaluation.bootstrap import mean_interval
from dicegrad.evaluation.experiments import CELL, one_score_each
from dicegrad.evaluation.seeds import over_seeds

AGREEMENT_COLUMNS = (
    *CELL,
    "n",
    "bias_ml",
    "bias_low",
    "bias_high",
    "limit_low",
    "limit_high",
    "correlation",
)


def agreement(runs: pd.DataFrame) -> pd.DataFrame:
    """Bias and 95 % limits of agreement of volumes.

    Args:
        runs: scores.tsv, every seed by itself.

    Returns:
        Table with `AGREEMENT_COLUMNS`: mean of predicted - true volume with its bootstrap
        interval (ml, by subject), mean +- 1.96 standard deviations (NaN for one case), and
        Pearson's correlation (NaN where a volume does not vary), all over cases whose true volume
        is known. The bias is of the mean of each case over the seeds; limits and correlation are
        those of single training runs.

    Raises:
        InputError: Two experiments share a name.
    """
    named = one_score_each(runs)
    rows = []
    for keys, cases in named.groupby(CELL, sort=False):
        drawn = cases[cases["volume_true_ml"].notna()]
        true, predicted = drawn["volume_true_ml"], drawn["volume_pred_ml"]
        means = over_seeds(cases)
        bias = mean_interval(means["volume_pred_ml"] - means["volume_true_ml"], means["subject"])
        spread = 1.96 * (predicted - true).std(ddof=1)
        varies = len(drawn) > 1 and min(true.std(), predicted.std()) > 0
        rows.append(
            {
                **dict(zip(CELL, keys, strict=True)),
                "n": bias.n,
                "bias_ml": bias.mean,
                "bias_low": bias.low,
                "bias_high": bias.high,
                "limit_low": bias.mean - spread,
                "limit_high": bias.mean + spread,
                "correlation": float(np.corrcoef(true, predicted)[0, 1]) if varies else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))

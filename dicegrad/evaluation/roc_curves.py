"""ROC curves: is a case of the always-labelled group, judged by a predicted volume?

A network that learnt empty maps outputs (nearly) nothing for the missing group, so its predicted
volume tells the groups apart (Figure 2 of the paper). The curve is exact: every volume that occurs
is a threshold. The paper's own code walks a grid of thresholds; `auc_on_grid` gives that number.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dicegrad.evaluation.auc import auc, check_groups
from dicegrad.evaluation.experiments import one_score_each
from dicegrad.evaluation.seeds import seeds_of
from dicegrad.evaluation.setups import lacking_groups, with_missing_labels
from dicegrad.files import Columns

Array = npt.NDArray[np.float64]

ROC_COLUMNS = (
    "dataset",
    "labeling",
    "setup",
    "batch_size",
    "class",
    "positive",
    "negative",
    "threshold_ml",
    "false_positive_rate",
    "true_positive_rate",
    "auc",
    "auc_low",
    "auc_high",
    "auc_method",
    "auc_grid",
    "auc_grid_1ml",
    "n_positive",
    "n_negative",
)
# One row per curve: what does not change along it.
AREA_COLUMNS = tuple(
    column
    for column in ROC_COLUMNS
    if column not in ("threshold_ml", "false_positive_rate", "true_positive_rate")
)
BRATS_THRESHOLDS_ML = np.linspace(-1, 1000, 1002)

ROC = Columns(
    text=("dataset", "labeling", "setup", "class", "positive", "negative", "auc_method"),
    whole=("batch_size", "n_positive", "n_negative", "seed"),
    optional=("seed",),
    rest="number",
)


@dataclass(frozen=True)
class Curve:
    """An exact ROC curve, from the strictest threshold (nothing positive) to the loosest.

    Attributes:
        threshold: (points,) a case is called positive where its volume >= threshold; first inf.
        false_positive_rate: (points,) from 0 to 1.
        true_positive_rate: (points,) from 0 to 1.
    """

    threshold: Array
    false_positive_rate: Array
    true_positive_rate: Array


def roc_curve(volumes: npt.ArrayLike, positive: npt.ArrayLike) -> Curve:
    """Exact ROC curve.

    Args:
        volumes: Predicted volume per case (any unit).
        positive: Whether the case belongs to the group to detect; both kinds must occur.

    Returns:
        One point per distinct volume, after the point (0, 0).

    Raises:
        InputError: If a volume is not finite, a kind is absent, or the lengths differ.

    Example:
        >>> roc_curve([3.0, 1.0, 0.0], [True, True, False]).true_positive_rate
        array([0. , 0.5, 1. , 1. ])
    """
    volumes, positive = check_groups(volumes, positive)
    distinct, index = np.unique(volumes, return_inverse=True)
    hits = np.bincount(index, weights=positive, minlength=distinct.size)[::-1].cumsum()
    alarms = np.bincount(index, weights=~positive, minlength=distinct.size)[::-1].cumsum()
    return Curve(
        np.concatenate([[np.inf], distinct[::-1]]),
        np.concatenate([[0.0], alarms / alarms[-1]]),
        np.concatenate([[0.0], hits / hits[-1]]),
    )


def auc_on_grid(
    volumes: npt.ArrayLike, positive: npt.ArrayLike, thresholds: npt.ArrayLike | None = None
) -> float:
    """Trapezoid area over a grid of thresholds, as the paper's code computes it.

    Args:
        volumes: Predicted volume per case, ml.
        positive: Whether the case belongs to the group to detect.
        thresholds: Grid in ml; by default 1,001 from 0 to the largest volume (the paper's for
            ACDC; for BRATS it is `BRATS_THRESHOLDS_ML`).

    Returns:
        The area. The curve of a grid ends at its largest threshold, not at (0, 0), so the area can
        fall short of the exact AUC.
    """
    volumes = np.asarray(volumes, dtype=float)
    positive = np.asarray(positive, dtype=bool)
    if thresholds is None:
        thresholds = np.linspace(0, volumes.max(), 1001)
    called = volumes[:, None] >= np.asarray(thresholds, dtype=float)[None, :]
    hits, alarms = called[positive].mean(axis=0), called[~positive].mean(axis=0)
    return float(abs(np.diff(alarms) @ (hits[1:] + hits[:-1]) / 2))


def roc_table(runs: pd.DataFrame, datasets: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Make `roc.tsv`: exact curves per dataset, setup, batch size and missing class.

    Args:
        runs: scores.tsv; of its labelings, the one with the most missing labels is shown.
        datasets: {name: `Dataset.about`}.

    Returns:
        Table with `ROC_COLUMNS`, one row per point of a curve; the AUC columns repeat along it.
        `negative` are the groups from which that labeling takes labels of the class, `positive` the
        others; no rows where one side has no case. Several seeds have a curve each.

    Raises:
        InputError: Two experiments share a name.
    """
    parts = []
    named = with_missing_labels(one_score_each(runs), datasets)
    curve = ["setup", "batch_size", "class", *(["seed"] if seeds_of(runs) else [])]
    for name, about in datasets.items():
        chosen = named[named["dataset"].eq(name) & named["class"].isin(about["missing"]["classes"])]
        for keys, cases in chosen.groupby(curve, sort=False):
            where = {"dataset": name, "labeling": cases["labeling"].iloc[0]}
            parts += list(_curve_rows(cases, about, where | dict(zip(curve, keys, strict=True))))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return table.reindex(columns=list(dict.fromkeys([*ROC_COLUMNS, *curve])))


def _curve_rows(
    cases: pd.DataFrame, about: Mapping[str, Any], where: Mapping[str, Any]
) -> Iterable[pd.DataFrame]:
    """The rows of one curve; none if one of the two sides has no case."""
    cases = cases.dropna(subset="volume_pred_ml")
    lacking = lacking_groups(about, where["labeling"], where["class"])
    positive = (~cases["group"].isin(lacking)).to_numpy()
    if positive.all() or not positive.any():
        return
    volumes = cases["volume_pred_ml"].to_numpy()
    curve = roc_curve(volumes, positive)
    area = auc(volumes, positive, cases["subject"].to_numpy())
    yield pd.DataFrame(
        {
            **where,
            "positive": "+".join(dict.fromkeys(cases.loc[positive, "group"])),
            "negative": "+".join(dict.fromkeys(cases.loc[~positive, "group"])),
            "threshold_ml": curve.threshold,
            "false_positive_rate": curve.false_positive_rate,
            "true_positive_rate": curve.true_positive_rate,
            "auc": area.value,
            "auc_low": area.low,
            "auc_high": area.high,
            "auc_method": area.method,
            "auc_grid": auc_on_grid(volumes, positive),
            "auc_grid_1ml": auc_on_grid(volumes, positive, BRATS_THRESHOLDS_ML),
            "n_positive": int(positive.sum()),
            "n_negative": int((~positive).sum()),
        }
    )

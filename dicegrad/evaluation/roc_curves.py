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
from scipy import optimize, stats

from dicegrad.errors import InputError
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


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve with its confidence interval."""

    value: float
    low: float
    high: float
    method: str


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
    volumes, positive = _check_groups(volumes, positive)
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


def auc(
    volumes: npt.ArrayLike,
    positive: npt.ArrayLike,
    subjects: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> Auc:
    """AUC with DeLong's interval on the logit scale, subjects as clusters.

    ED and ES of one patient are not independent, so DeLong's structural components are summed per
    subject (Obuchowski 1997); with one case per subject this is DeLong (1988). At an AUC of 0 or 1
    the variance estimate is 0, and Newcombe's interval (2006, method 5) is given instead.

    Args:
        volumes: Predicted volume per case, any unit.
        positive: Whether the case belongs to the group to detect; both kinds must occur.
        subjects: One per case.
        confidence: Coverage, in (0, 1).

    Returns:
        Area (ties count one half) and interval; `method` is `delong` or `newcombe`.

    Raises:
        InputError: If a volume is not finite, a kind is absent, the lengths differ, or confidence
            is not in (0, 1).
    """
    volumes, positive = _check_groups(volumes, positive)
    if np.shape(subjects) != volumes.shape:
        raise InputError(f"subjects has shape {np.shape(subjects)} for {volumes.size} volumes")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence!r}; it must be in (0, 1), such as 0.95")
    wins = _wins(volumes[positive], volumes[~positive])
    area = float(wins.mean())
    variance = _cluster_variance(wins, positive, np.asarray(subjects))
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    if not variance > 0 or area in (0.0, 1.0):
        low, high = _newcombe(area, wins.shape[0], wins.shape[1], z)
        return Auc(area, low, high, "newcombe")
    logit = np.log(area / (1 - area))
    half = z * np.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + np.exp(-(logit + sign * half))) for sign in (-1, 1))
    return Auc(area, float(low), float(high), "delong")


def _check_groups(
    volumes: npt.ArrayLike, positive: npt.ArrayLike
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Both as arrays; an ``InputError`` says why there is no curve."""
    volumes, positive = np.asarray(volumes, dtype=float), np.asarray(positive, dtype=bool)
    if volumes.ndim != 1 or volumes.shape != positive.shape:
        raise InputError(
            f"volumes has shape {volumes.shape} and positive {positive.shape}; "
            "both must be (cases,)"
        )
    unusable = np.flatnonzero(~np.isfinite(volumes))
    if unusable.size:
        raise InputError(
            f"volumes[{unusable[0]}] is {volumes[unusable[0]]}; every volume must be finite: leave "
            "cases without a volume out"
        )
    if positive.all() or not positive.any():
        kind = "positive" if positive.any() else "negative"
        raise InputError(
            f"all {volumes.size} cases are {kind}; an ROC curve needs cases of both kinds"
        )
    return volumes, positive


def _wins(positives: Array, negatives: Array) -> Array:
    """(positives, negatives): 1 where the positive case has the larger volume, 1/2 for ties."""
    return (np.sign(positives[:, None] - negatives[None, :]) + 1) / 2


def _cluster_variance(wins: Array, positive: npt.NDArray[np.bool_], subjects: npt.NDArray) -> float:
    """Obuchowski's variance of the AUC from structural components summed per subject."""
    owners, index = np.unique(subjects, return_inverse=True)
    area, (m, n), clusters = wins.mean(), wins.shape, owners.size
    v10 = np.bincount(index[positive], wins.mean(axis=1) - area, minlength=clusters)
    v01 = np.bincount(index[~positive], wins.mean(axis=0) - area, minlength=clusters)
    with_positive = np.unique(index[positive]).size
    with_negative = np.unique(index[~positive]).size
    if min(with_positive, with_negative) < 2:
        return float("nan")
    s10 = with_positive / (with_positive - 1) * (v10**2).sum()
    s01 = with_negative / (with_negative - 1) * (v01**2).sum()
    s11 = clusters / (clusters - 1) * (v10 * v01).sum()
    return float(s10 / m**2 + s01 / n**2 + 2 * s11 / (m * n))


def _newcombe(area: float, m: int, n: int, z: float) -> tuple[float, float]:
    """Score-type interval whose variance depends on the unknown area, so it works at 0 and 1."""

    def variance(theta: float) -> float:
        mean = (m + n) / 2 - 1
        spread = 1 + mean * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return theta * (1 - theta) * spread / (m * n)

    def distance(theta: float) -> float:
        return (theta - area) ** 2 - z**2 * variance(theta)

    tiny = 1e-12
    low = 0.0 if area <= tiny else optimize.brentq(distance, tiny, area - tiny)
    high = 1.0 if area >= 1 - tiny else optimize.brentq(distance, area + tiny, 1 - tiny)
    return float(low), float(high)


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

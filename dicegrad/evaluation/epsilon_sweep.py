"""The transition: how large must epsilon be for missing labels to be learnt as empty maps?

The loss pushes each voxel of an empty map in which v voxels are predicted with
epsilon / (v + epsilon)^2 (Eq. 4). With x = epsilon / v, that is 4 x / (1 + x)^2 of the most that
any epsilon can do, 1 / (4 v) at x = 1, which is also the background gradient that batch-wise
reduction gives (Eq. 5 with a = 1/2, b = 2). v is the true volume of the class in the groups that
lack labels of it, since that is what a network predicts that ignores the missing labels.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dicegrad.data.cases import Case
from dicegrad.errors import InputError
from dicegrad.evaluation.bootstrap import mean_interval
from dicegrad.evaluation.experiments import one_score_each
from dicegrad.evaluation.seeds import with_spread
from dicegrad.evaluation.setups import share_missing
from dicegrad.files import Columns
from dicegrad.study.experiment import epsilon_number, heuristic_multiple
from dicegrad.study.labeling import FULL
from dicegrad.study.losses import AS_EMPTY, annotated_only

# A push of at least this share of its maximum is one that theory expects to matter.
NOTABLE_PUSH = 0.1
# What the loss does with a map that is not annotated is no part of epsilon: it has its own line.
LINE = ["dataset", "class", "labeling", "unannotated", "batch_size"]
TRANSITION_COLUMNS = (
    *LINE,
    "epsilon",
    "epsilon_voxels",
    "volume_voxels",
    "epsilon_over_v",
    "relative_push",
    "share_missing",
    "group",
    "missing",
    "n",
    "dsc",
    "dsc_low",
    "dsc_high",
    "halfway",
    "halfway_push",
)

TRANSITION = Columns(
    text=("dataset", "class", "labeling", "unannotated", "epsilon", "group"),
    whole=("batch_size", "n"),
    flags=("missing",),
    optional=("unannotated",),
    rest="number",
)


def relative_push(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The push on an empty map as a share of its maximum over epsilon.

    Args:
        x: epsilon / v, at least 0.

    Returns:
        4 x / (1 + x)^2, in [0, 1]; 1 at x = 1.

    Example:
        >>> relative_push([0.0, 0.1, 1.0, 10.0]).round(2)
        array([0.  , 0.33, 1.  , 0.33])
    """
    x = np.asarray(x, dtype=float)
    return 4 * x / (1 + x) ** 2


def tipping_point(share: float) -> float:
    """The epsilon / v above which a network that cannot tell the maps apart unlearns a structure.

    Take a group in which a share q of the labels is missing, and a network that segments all of
    it perfectly. An empty map pushes each voxel of the structure down with
    epsilon / (v + epsilon)^2, a labelled one pulls it up with 1 / (2 v + epsilon). The push wins
    in the mean where q x (2 + x) > (1 - q) (1 + x)^2.

    Args:
        share: q, in [0, 1].

    Returns:
        The smallest such x; 0 for q = 1, and infinity for q <= 1/2: the labels that are there win
        for every epsilon.

    Example:
        >>> round(tipping_point(0.75), 3), tipping_point(0.5)
        (0.225, inf)
    """
    if share <= 0.5:
        return float("inf")
    return float(np.sqrt(1 + (1 - share) / (2 * share - 1)) - 1)


def voxels_of(
    cases: Sequence[Case],
    folds: Mapping[str, int],
    classes: Sequence[str],
    volumes: npt.NDArray[np.int64],
) -> pd.DataFrame:
    """The class volumes of one dataset and labeling as a long table.

    Args:
        cases: N of them.
        folds: Fold of each subject.
        classes: K of them.
        volumes: (N, K) voxels.

    Returns:
        Columns case, group, fold, class, voxels; N x K rows. NaN voxels of a class that nobody
        looked for in a case: its true volume is not known.
    """
    rows = [
        {
            "case": case.case,
            "group": case.group,
            "fold": folds[case.subject],
            "class": name,
            "voxels": int(count) if case.annotated is None or name in case.annotated else np.nan,
        }
        for case, counts in zip(cases, volumes, strict=True)
        for name, count in zip(classes, counts, strict=True)
    ]
    return pd.DataFrame(rows)


def transition(
    scores: pd.DataFrame,
    epsilon: pd.DataFrame,
    voxels: pd.DataFrame,
    datasets: Mapping[str, Mapping[str, Any]],
    runs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """DSC of the missing classes against epsilon / v, for image-wise Dice.

    Args:
        scores: scores.tsv, the mean of each case over the seeds.
        epsilon: epsilon.tsv, the heuristic per dataset, labeling, fold and class; with
            `annotated_only`, that of annotated maps apart from that of all maps.
        voxels: `voxels_of` each dataset and labeling, `full` included, with columns dataset and
            labeling added.
        datasets: {name: `Dataset.about`}.
        runs: scores.tsv, every seed by itself.

    Returns:
        Table with `TRANSITION_COLUMNS`, one row per experiment and group. Along a line, all of
        `LINE` the same, epsilon alone changes. `missing`: whether labels of the group are.
        `volume_voxels` is v, the mean true volume of the training cases of all groups that are
        `missing`, NaN or 0 without a voxel and then without an epsilon / v; `share_missing` how
        many of them were emptied, or never drawn. `halfway`, the same for all rows of a line, is
        the epsilon / v at which the DSC of the missing groups has lost half of what it is at the
        smallest epsilon (interpolated in its logarithm; NaN where it never does, or has none to
        lose), `halfway_push` the push there. Of several seeds also what `seeds.with_spread` adds.

    Raises:
        InputError: Two experiments share a name, or two heuristics a key.
    """
    experiment = [*LINE, "epsilon"]
    swept = one_score_each(_swept(scores), [key for key in experiment if key != "class"])
    rows = []
    for values, cases in swept.groupby(experiment, sort=False):
        row = dict(zip(experiment, values, strict=True))
        about = datasets[row["dataset"]]
        if row["class"] not in about["missing"]["classes"]:
            continue
        labelings = swept.loc[swept["dataset"] == row["dataset"], "labeling"].unique()
        lacking = _lacking(row, about, labelings, _maps(voxels, row, FULL))
        row |= _doses(row, sorted(set(cases["fold"])), lacking, epsilon, voxels)
        row["dsc_lacking"] = cases.loc[cases["group"].isin(lacking), "dsc"].mean()
        for group, of_group in cases.groupby("group", sort=False):
            interval = mean_interval(of_group["dsc"], of_group["subject"])
            seen = {"group": group, "missing": group in lacking, "n": interval.n}
            seen |= {"dsc": interval.mean, "dsc_low": interval.low, "dsc_high": interval.high}
            rows.append(row | seen)
    table = pd.DataFrame(rows).reindex(columns=[*TRANSITION_COLUMNS, "dsc_lacking"])
    order = {name: place for place, name in enumerate(datasets)}
    table = table.sort_values(
        [*LINE, "group", "epsilon_voxels"],
        kind="stable",
        ignore_index=True,
        key=lambda column: column.map(order) if column.name == "dataset" else column,
    )
    for _, line in table.groupby(LINE):
        crossing = _halfway(line)
        table.loc[line.index, "halfway"] = crossing
        table.loc[line.index, "halfway_push"] = relative_push(crossing)
    table = table[list(TRANSITION_COLUMNS)]
    runs = None if runs is None else _swept(runs)
    return with_spread(table, runs, [*experiment, "group"], {"dsc": "dsc"})


def _swept(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores of image-wise Dice; where `unannotated` is left out, it is its default."""
    chosen = scores[(scores["loss"] == "dice") & (scores["phi"] == "I")]
    told = chosen.get("unannotated", pd.Series(AS_EMPTY, chosen.index))
    return chosen.assign(unannotated=told.fillna(AS_EMPTY))


def _maps(table: pd.DataFrame, row: Mapping[str, Any], labeling: str) -> pd.DataFrame:
    """The rows of a table that are of the dataset and class of an experiment."""
    chosen = (table["dataset"] == row["dataset"]) & (table["class"] == row["class"])
    return table[chosen & (table["labeling"] == labeling)]


def _lacking(
    row: Mapping[str, Any], about: Mapping[str, Any], labelings: Iterable[str], full: pd.DataFrame
) -> set[str]:
    """The groups that lack maps of a class under the labeling of an experiment.

    Where it takes none away, as full labels do, those that another labeling of the sweep takes some
    from, so that both lie on one axis; else the dataset's missing group, or who was not drawn.
    """
    groups = set(full["group"])

    def taken(labeling: str) -> set[str]:
        shares = {group: share_missing(about, labeling, group, row["class"]) for group in groups}
        return {group for group, share in shares.items() if share > 0}

    others = {group for labeling in labelings for group in taken(labeling)}
    undrawn = set(full.loc[full["voxels"].isna(), "group"])
    return taken(row["labeling"]) or others or groups & {about["missing"]["group"]} or undrawn


def _doses(
    row: Mapping[str, Any],
    folds: list[int],
    lacking: set[str],
    epsilon: pd.DataFrame,
    voxels: pd.DataFrame,
) -> dict[str, float]:
    """Epsilon, v and share of missing labels of one experiment; means over its folds.

    Without a group that lacks labels, v is that of all.
    """
    full = _maps(voxels, row, FULL).set_index("case")
    full = full[full["group"].isin(lacking)] if lacking else full
    seen = _maps(voxels, row, row["labeling"]).set_index("case")["voxels"].loc[full.index]
    gone = full["voxels"].isna() | ((seen == 0) & (full["voxels"] > 0))
    training = [full["fold"] != fold for fold in folds]
    volume = float(np.mean([full.loc[chosen, "voxels"].mean() for chosen in training]))
    multiple = heuristic_multiple(row["epsilon"])
    if multiple is None:
        size = epsilon_number(row["epsilon"])
    else:
        heuristic = _heuristic(_maps(epsilon, row, row["labeling"]), row)
        size = multiple * float(heuristic[heuristic.index.isin(folds)].mean())
    x = size / volume if volume > 0 else float("nan")  # nothing is there, or nobody drew it
    return {
        "epsilon_voxels": size,
        "volume_voxels": volume,
        "epsilon_over_v": x,
        "relative_push": float(relative_push(x)),
        "share_missing": float(np.mean([gone[chosen].mean() for chosen in training])),
    }


def _heuristic(epsilon: pd.DataFrame, row: Mapping[str, Any]) -> pd.Series:
    """The heuristic of each fold, of the maps that count for the loss of a row.

    Args:
        epsilon: Rows of epsilon.tsv of one dataset, labeling and class. Tables of before 0.2 do not
            tell which maps count; a study with one kind of them has one heuristic all the same.
        row: What the experiment is.

    Raises:
        InputError: A fold has two, and nothing tells them apart.
    """
    if "annotated_only" in epsilon:
        epsilon = epsilon[epsilon["annotated_only"] == annotated_only(row["unannotated"])]
    values = epsilon.set_index("fold")["epsilon"]
    if values.index.has_duplicates:
        what = ", ".join(f"{key} {row[key]}" for key in ("dataset", "labeling", "class"))
        raise InputError(
            f"epsilon.tsv: {what} has two heuristics in fold "
            f"{values.index[values.index.duplicated()][0]}; delete the table to make it again"
        )
    return values


def _halfway(line: pd.DataFrame) -> float:
    """Where the DSC of the missing maps first crosses half of its first value, in epsilon / v."""
    line = line.drop_duplicates("epsilon").sort_values("epsilon_over_v", kind="stable")
    x, dsc = (line[name].to_numpy(float) for name in ("epsilon_over_v", "dsc_lacking"))
    x = np.log(x)
    below = np.flatnonzero(dsc <= dsc[:1] / 2)
    if below.size == 0 or below[0] == 0:  # a DSC of 0 has nothing to lose
        return float("nan")
    after = int(below[0])
    share = (dsc[after - 1] - dsc[0] / 2) / (dsc[after - 1] - dsc[after])
    return float(np.exp(x[after - 1] + share * (x[after] - x[after - 1])))

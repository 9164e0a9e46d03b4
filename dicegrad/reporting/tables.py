"""Table 1 of the paper and the comparison of losses, as long tables.

Both are computed from scores.tsv and comparisons.tsv; `formats` writes them as the paper prints
them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from dicegrad.evaluation.apart import alike_row
from dicegrad.evaluation.bootstrap import mean_interval
from dicegrad.evaluation.comparisons import rivals_of
from dicegrad.evaluation.epsilon_sweep import NOTABLE_PUSH, relative_push
from dicegrad.evaluation.experiments import one_score_each
from dicegrad.evaluation.seeds import with_spread_of_cells
from dicegrad.evaluation.setups import in_order, share_missing
from dicegrad.files import Columns
from dicegrad.reporting.looks import sort_setups
from dicegrad.study.experiment import heuristic_multiple
from dicegrad.study.losses import AS_EMPTY

Datasets = Mapping[str, Mapping[str, Any]]

ALPHA = 0.05
TABLE1_COLUMNS = (
    "dataset",
    "labeling",
    "batch_size",
    "setup",
    "group",
    "class",
    "n",
    "dsc",
    "delta_volume_ml",
    "p_value",
    "reference",
    "learns_empty",
    "dsc_low",
    "dsc_high",
    "delta_volume_low",
    "delta_volume_high",
    "p_holm",
    "p_value_volume",
    "inferior_dsc",
    "inferior_volume",
)

TABLE1 = Columns(
    text=("dataset", "labeling", "setup", "group", "class", "reference"),
    whole=("batch_size", "n"),
    flags=("learns_empty", "inferior_dsc", "inferior_volume"),
    rest="number",
)


def table1(
    scores: pd.DataFrame,
    comparisons: pd.DataFrame,
    datasets: Datasets,
    apart: pd.DataFrame | None = None,
    runs: pd.DataFrame | None = None,
    *,
    alpha: float = ALPHA,
) -> pd.DataFrame:
    """Mean DSC and volume difference of the missing classes, per training run and group.

    Args:
        scores: scores.tsv, the mean of each case over the seeds.
        comparisons: comparisons.tsv of the same scores.
        datasets: {name: {"missing": {"group": str, "classes": [...]}, "groups": [...],
            "classes": [...]}}, in the order to print.
        apart: Which groups can be told apart, see `evaluation.apart`; all, if not given.
        runs: scores.tsv, every seed by itself.
        alpha: Level below which a worse result counts as inferior.

    Returns:
        Table with `TABLE1_COLUMNS`, one row per training run x group x missing class. `p_value` is
        the paper's rank test of the DSC against `reference` (labeling/setup): the same setup on
        full labels, or setup I on the same labels for marginal and leaf; NaN if the study does
        not have it. `inferior_*` is p < alpha and a worse mean. `learns_empty` says what theory
        expects of the missing group, not what was seen. Of several seeds also what
        `evaluation.seeds.with_spread` adds to DSC and volume difference.

    Raises:
        InputError: Two experiments share a name.
    """
    named = one_score_each(scores)
    rows = []
    for name, about in datasets.items():
        missing = about["missing"]
        chosen = named[(named["dataset"] == name) & named["class"].isin(missing["classes"])]
        rows += [
            _row(cases, where, comparisons, about, alpha, apart=apart)
            for where, cases in _cells(chosen, about)
        ]
    return with_spread_of_cells(pd.DataFrame(rows, columns=list(TABLE1_COLUMNS)), runs)


def table_losses(
    scores: pd.DataFrame,
    comparisons: pd.DataFrame,
    datasets: Datasets,
    runs: pd.DataFrame | None = None,
    *,
    alpha: float = ALPHA,
) -> pd.DataFrame:
    """I beside the other losses on the same partial labels: all classes and groups.

    Args:
        scores: scores.tsv, the mean of each case over the seeds.
        comparisons: comparisons.tsv of the same scores.
        datasets: As for `table1`.
        runs: As for `table1`.
        alpha: As for `table1`.

    Returns:
        Table with `TABLE1_COLUMNS` for the datasets that hold I and at least one comparator; the
        reference of every comparator is I on the same labels.

    Raises:
        InputError: Two experiments share a name.
    """
    named = one_score_each(scores)
    named = named[(named["labeling"] != "full") & named["setup"].isin(rivals_of(named))]
    rows = []
    for name, about in datasets.items():
        chosen = named[named["dataset"] == name]
        setups = set(chosen["setup"])
        if "I" not in setups or len(setups) == 1:
            continue
        every = {**about, "missing": {**about["missing"], "classes": list(about["classes"])}}
        sizes = chosen.loc[chosen["setup"] != "I", "batch_size"].unique()
        for where, cases in _cells(chosen[chosen["batch_size"].isin(sizes)], every):
            rows.append(_row(cases, where, comparisons, about, alpha, question="loss"))
    return with_spread_of_cells(pd.DataFrame(rows, columns=list(TABLE1_COLUMNS)), runs)


def learns_empty(
    row: Mapping[str, Any],
    group: str,
    class_name: str,
    about: Mapping[str, Any],
    alike: float | None = None,
) -> bool:
    """Whether theory expects empty maps of a class in a group (Sect. 2.2 and 2.3).

    Args:
        row: labeling, loss, phi, epsilon, batch_size.
        group: The group that is segmented.
        class_name: The class that is segmented.
        about: The dataset's `missing`, `classes`.
        alike: Where the network cannot tell the group from the others, the share of all maps of
            the class that is missing: it then counts instead of the group's own.

    Returns:
        True for the missing class of the missing group after training on partial labels where the
        gradient of its empty maps is not negligible: the loss has cross-entropy, which takes them
        for background; or it is the Dice loss, and the reduction reaches labelled voxels of other
        batch elements (B in phi and batch_size > 1) or of other classes (C in phi and another
        class that keeps its labels), or epsilon is so near the heuristic that an empty map is
        pushed with a tenth of the most that any epsilon can do. Of a share of partial labels, more
        than half must be missing: see `evaluation.epsilon_sweep`.
    """
    gone = {name: share_missing(about, row["labeling"], group, name) for name in about["classes"]}
    if row.get("unannotated", AS_EMPTY) != AS_EMPTY or gone[class_name] <= 0.5:
        return False
    if alike is not None and alike <= 0.5:
        return False
    if row["loss"] != "dice":
        return row["loss"] in ("dice_ce", "cross_entropy")
    multiple = heuristic_multiple(str(row["epsilon"]))
    others = any(share <= 0.5 for name, share in gone.items() if name != class_name)
    return bool(
        ("B" in row["phi"] and int(row["batch_size"]) > 1)
        or ("C" in row["phi"] and others)
        or (multiple is not None and relative_push(multiple) >= NOTABLE_PUSH)
    )


def _cells(
    named: pd.DataFrame, about: Mapping[str, Any]
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Cases per training run x group x class, in the order in which the paper prints them."""
    classes = [c for c in about["classes"] if c in about["missing"]["classes"]]
    groups = group_order(about, named)
    keys = ["labeling", "batch_size", "setup", "class", "group"]
    parts = dict(list(named.groupby(keys)))
    for labeling in in_order(about, named["labeling"]):
        for batch_size in sorted(named["batch_size"].unique()):
            for setup in sort_setups(named["setup"]):
                for class_name in classes:
                    for group in groups:
                        key = (labeling, batch_size, setup, class_name, group)
                        if key in parts:
                            yield dict(zip(keys, key, strict=True)), parts[key]


def group_order(about: Mapping[str, Any], named: pd.DataFrame) -> list[str]:
    """Groups with the always-labelled ones first and the missing one last."""
    listed = list(about.get("groups") or dict.fromkeys(named["group"]))
    missing = about["missing"]["group"]
    return [group for group in listed if group != missing] + [missing] * bool(missing)


def _row(
    cases: pd.DataFrame,
    where: dict[str, Any],
    comparisons: pd.DataFrame,
    about: Mapping[str, Any],
    alpha: float,
    question: str | None = None,
    apart: pd.DataFrame | None = None,
) -> dict[str, Any]:
    if _is_never_drawn(cases, where, about):
        # What was found there cannot be scored: no number is better than a mean of zeros.
        metrics = ["dsc", "volume_pred_ml", "volume_true_ml"]
        cases = cases.assign(**dict.fromkeys(metrics, float("nan")))
    subjects = cases["subject"].to_numpy()
    first = cases.iloc[0]
    dsc = mean_interval(cases["dsc"], subjects)
    delta = mean_interval(cases["volume_pred_ml"] - cases["volume_true_ml"], subjects)
    keys = ("labeling", "group", "class")
    same = alike_row(apart, {"dataset": first["dataset"], **{key: where[key] for key in keys}})
    alike = None if same is None else float(same["share_missing"])
    row = {
        "dataset": first["dataset"],
        **where,
        "batch_size": int(where["batch_size"]),
        "n": dsc.n,
        "dsc": dsc.mean,
        "delta_volume_ml": delta.mean,
        "dsc_low": dsc.low,
        "dsc_high": dsc.high,
        "delta_volume_low": delta.low,
        "delta_volume_high": delta.high,
        "learns_empty": learns_empty(first, where["group"], where["class"], about, alike),
    }
    return {**row, **_significance(row, comparisons, alpha, question)}


def _is_never_drawn(
    cases: pd.DataFrame, where: Mapping[str, Any], about: Mapping[str, Any]
) -> bool:
    """Whether the data themselves have no true label of a class in the group that lacks it."""
    missing = about["missing"]
    lacks = where["group"] == missing["group"] and where["class"] in missing["classes"]
    return lacks and not (cases["volume_true_ml"] > 0).any()


def _significance(
    row: Mapping[str, Any], comparisons: pd.DataFrame, alpha: float, question: str | None
) -> dict[str, Any]:
    """The p values of one row against its reference."""
    plain = row["setup"].partition(",")[0]
    if question is None:
        question = "loss" if row["setup"] in ("marginal", "leaf") else "labeling"
        question = "unannotated" if plain != row["setup"] else question
    reference = {
        "loss": (row["labeling"], "I"),
        "labeling": ("full", row["setup"]),
        "unannotated": (row["labeling"], plain),
    }[question]
    here = comparisons[
        (comparisons["question"] == question)
        & (comparisons["labeling_a"] == row["labeling"])
        & (comparisons["setup_a"] == row["setup"])
        & (comparisons["labeling_b"] == reference[0])
        & (comparisons["setup_b"] == reference[1])
    ]
    for key in ("dataset", "batch_size", "group", "class"):
        here = here[here[key] == row[key]]
    found = {test["metric"]: test for _, test in here.iterrows()}
    dsc, volume = found.get("dsc"), found.get("volume_error_ml")
    nan = float("nan")
    return {
        "reference": "/".join(reference) if found else "",
        "p_value": nan if dsc is None else dsc["p_value"],
        "p_holm": nan if dsc is None else dsc["p_holm"],
        "p_value_volume": nan if volume is None else volume["p_value"],
        "inferior_dsc": dsc is not None and dsc["p_value"] < alpha and dsc["difference"] < 0,
        "inferior_volume": volume is not None
        and volume["p_value"] < alpha
        and volume["difference"] > 0,
    }

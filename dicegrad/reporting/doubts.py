"""What a reader has to know before believing the verdicts of a summary."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from dicegrad.evaluation.apart import alike_row
from dicegrad.evaluation.failed import times

PAGE = "docs/reading-results.md"
_MOST = 8


def failed_lines(failed: pd.DataFrame, dataset: str) -> Iterator[str]:
    """Lines on training runs that did not learn what they had labels of.

    Args:
        failed: From `evaluation.failed.failed_runs`.
        dataset: One of them.
    """
    here = failed[failed["dataset"] == dataset]
    for row in here.head(_MOST).to_dict("records"):
        seed = f", seed {row['seed']}" if "seed" in row else ""
        yield (
            f"! {row['setup']}, {row['labeling']}, B = {row['batch_size']}, fold {row['fold']}"
            f"{seed} has not learnt {row['class']} in {row['group']}, which was labelled: "
            f"DSC {row['dsc']:.2f}, {times(row['volume_ratio'])}"
        )
    if len(here) > _MOST:
        yield f"! and {len(here) - _MOST} more: see failed.tsv"
    if len(here):
        yield (
            "  a training run that stays behind says nothing about missing labels: train longer, "
            f"or with another seed ({PAGE})"
        )


def alike_lines(
    apart: pd.DataFrame | None, here: pd.DataFrame, group: str, class_name: str
) -> dict[str, str]:
    """Labeling -> a line on a group that its networks cannot tell from the others.

    Args:
        apart: From `evaluation.apart.apart_table`.
        here: Rows of Table 1 of one dataset and class.
        group: The group whose labels are missing.
        class_name: The class.

    Returns:
        Only labelings under which the group cannot be told: the others can be judged.
    """
    lines = {}
    for labeling in map(str, here["labeling"].unique()):
        where = {
            "dataset": str(here["dataset"].iloc[0]),
            "labeling": labeling,
            "group": group,
            "class": class_name,
        }
        row = alike_row(apart, where)
        if row is not None:
            lines[labeling] = (
                f"the network cannot tell {group} from the other groups ({_signs(row)}). Of all "
                f"maps of {class_name}, {row['share_missing']:.0%} are missing: "
                + (
                    "too few to be learnt as empty, whatever the loss"
                    if row["share_missing"] <= 0.5
                    else "more than half, so it may be learnt as empty in every group"
                )
            )
    return lines


def doubt_lines(doubts: Mapping[str, str], labelings: Iterable[str]) -> list[str]:
    """The doubts about labelings that are judged, each named where not all have the same one.

    Args:
        doubts: labeling -> line.
        labelings: Those that are judged, which may come twice.

    Example:
        >>> doubt_lines({"half": "alike"}, ["half", "half"])
        ['alike']
        >>> doubt_lines({"half": "alike"}, ["half", "all"])
        ['half: alike']
    """
    judged = list(dict.fromkeys(labelings))
    told = {each: doubts[each] for each in judged if each in doubts}
    if len(told) == len(judged) and len(set(told.values())) == 1:
        return [told[judged[0]]]
    return [f"{labeling}: {line}" for labeling, line in told.items()]


def _signs(row: Mapping[str, Any]) -> str:
    """The areas under the ROC curves in words."""
    signs = {"images": "auc_images", "predicted volumes": "auc_volumes"}
    said = [
        f"by {word} AUC {row[key]:.2f}, {row[f'{key}_low']:.2f} to {row[f'{key}_high']:.2f}"
        for word, key in signs.items()
        if pd.notna(row[key])
    ]
    return "; ".join(said) or "there are too few cases to see it"


def volume_bias(
    scores: pd.DataFrame | None, row: Mapping[str, Any], group: str, class_name: str
) -> str:
    """The predicted volume of a group against the true one, in words; empty if not known.

    Args:
        scores: scores.tsv.
        row: Of Table 1: the experiment.
        group: One of the groups.
        class_name: One of the classes.
    """
    if scores is None:
        return ""
    cases = _cases(scores, row, group, class_name)
    cases = cases[cases["volume_true_ml"] > 0]
    if cases.empty:
        return ""
    share = cases["volume_pred_ml"].sum() / cases["volume_true_ml"].sum() - 1
    return f", volume {100 * share:+.0f} %"


def truly_empty(scores: pd.DataFrame | None, dataset: str, class_name: str) -> list[str]:
    """The groups that were annotated for a class and have no voxel of it, where any group has.

    Args:
        scores: scores.tsv; without it, none.
        dataset: Its name.
        class_name: One of the classes.
    """
    if scores is None:
        return []
    here = scores[scores[["dataset", "class"]].eq([dataset, class_name]).all(axis=1)]
    most = here.groupby("group", sort=False)["volume_true_ml"].max()
    return list(most.index[most == 0]) if (most > 0).any() else []


def invented(scores: pd.DataFrame, row: Mapping[str, Any], group: str, class_name: str) -> str:
    """In how many cases of a truly empty group a setup draws the class; see `volume_bias`."""
    cases = _cases(scores, row, group, class_name)
    drawn = int((cases["volume_pred_ml"] > 0).sum())
    if not drawn:
        return f", {group} left empty"
    return f", invented in {drawn} of {len(cases)} cases of {group}"


def _cases(
    scores: pd.DataFrame, row: Mapping[str, Any], group: str, class_name: str
) -> pd.DataFrame:
    """The scores of one experiment, group and class."""
    keys = ["dataset", "labeling", "setup", "batch_size"]
    wanted = [*(row[key] for key in keys), group, class_name]
    return scores[scores[[*keys, "group", "class"]].eq(wanted).all(axis=1)]

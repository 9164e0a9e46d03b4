"""What a study shows, in a few plain lines computed from Table 1."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from dicegrad.evaluation.seeds import seeds_note
from dicegrad.evaluation.setups import lacking_groups, share_missing
from dicegrad.reporting.doubts import (
    alike_lines,
    doubt_lines,
    failed_lines,
    invented,
    truly_empty,
    volume_bias,
)
from dicegrad.reporting.looks import sort_setups
from dicegrad.reporting.recommend import recommendation
from dicegrad.reporting.tables import Datasets
from dicegrad.study.labeling import FULL

# A group counts as segmented as well as its reference if its mean DSC is at most this much lower,
# and as empty if it keeps at most half of it: between the two lies "partly".
SAME = 0.2
EMPTY = 0.5
# Below this mean DSC the labelled group itself is not segmented.
POOR = 0.5
# A group that lacks more of its labels than this is no labelled group: it may be learnt as empty.
MOST = 0.5
ALONE = "there are no groups, so nothing tells which cases lack it: look at DSC and volume"


def summarise(
    table1: pd.DataFrame,
    datasets: Datasets,
    scores: pd.DataFrame | None = None,
    apart: pd.DataFrame | None = None,
    failed: pd.DataFrame | None = None,
) -> str:
    """Say what each setup does with missing labels, with the numbers that show it.

    Args:
        table1: From `tables.table1`.
        datasets: As for `tables.table1`.
        scores: scores.tsv, the mean of each case over the seeds, to see whether the true labels of
            the missing group are in the data; if not given, they are taken to be.
        apart: From `evaluation.apart.apart_table`; if not given, groups can be told apart.
        failed: From `evaluation.failed.failed_runs`; none, if not given.

    Returns:
        Lines of text: per dataset and missing class, one for full labels and one per experiment
        with partial labels, then training runs that have not learnt what was labelled. Below an
        empty line the verdict: whether the paper's finding was seen, and on labels that are really
        missing, which loss to take. What did not come out as theory expects is marked with `!`.
        Experiments whose networks cannot tell the group from the others are no verdict on the loss.
    """
    lines = [note] if (note := seeds_note(table1)) else []
    agreed: list[bool] = []
    alike = 0  # experiments without a verdict
    for name, about in datasets.items():
        for class_name in about["missing"]["classes"]:
            here = table1[(table1["dataset"] == name) & (table1["class"] == class_name)]
            if here.empty:
                continue
            groups = _lacking(about, here, class_name, scores)
            if not groups:
                lines += [f"{name}: {class_name}", *(f"  {line}" for line in _full(here))]
            for group in groups:
                part, verdicts = _about_group(here, about, group, class_name, scores, apart)
                lines += part
                agreed += [agrees for agrees in verdicts if agrees is not None]
                alike += verdicts.count(None)
        if failed is not None:
            lines += [f"  {line}" for line in failed_lines(failed, name)]
    advice = [] if scores is None else [(name, recommendation(scores, name)) for name in datasets]
    verdict = [f"{name}: {text}." for name, text in advice if text]
    if agreed or alike or not verdict:
        verdict += _verdict(agreed, alike)
    return "\n".join([*lines, "", *verdict] if lines else verdict)


def verdict_of(text: str) -> list[str]:
    """The sentences of the verdict in a summary: what stands below the last empty line.

    >>> verdict_of("heart: MYO\\n  full labels: DSC 0.91\\n\\nTake I.\\n")
    ['Take I.']
    """
    return text.strip().split("\n\n")[-1].splitlines()


def _verdict(agreed: list[bool], alike: int) -> list[str]:
    """The last lines: what the study says of missing labels."""
    lines = []
    if alike:
        lines.append(
            f"{alike} experiment{'s' * (alike > 1)} with partial labels cannot show what a missing "
            "label teaches, since the network cannot tell which cases lack it; look at the volumes"
        )
    if agreed:
        verdict = f"{sum(agreed)} of {len(agreed)} experiments with partial labels came out as "
        end = "." if all(agreed) else ": see the lines marked !"
        lines.append(f"{verdict}theory expects{end}")
    if not lines:
        lines.append("No experiment with partial labels: nothing to say about missing labels.")
    return lines


def _lacking(
    about: Mapping[str, Any], here: pd.DataFrame, class_name: str, scores: pd.DataFrame | None
) -> list[str]:
    """The groups from which a labeling of the study takes a class, or else those of `missing`.

    The group of the key `missing` is one of them where the data themselves lack its labels.
    """
    labelings = here["labeling"].unique()
    lacking = {group for each in labelings for group in lacking_groups(about, each, class_name)}
    named, dataset = about["missing"]["group"], here["dataset"].iloc[0]
    hidden = scores is not None and _is_never_drawn(scores, dataset, named, class_name)
    if not lacking or hidden:
        lacking.add(named)
    return [group for group in about["groups"] if group in lacking]


def _about_group(
    here: pd.DataFrame,
    about: Mapping[str, Any],
    group: str,
    class_name: str,
    scores: pd.DataFrame | None,
    apart: pd.DataFrame | None,
) -> tuple[list[str], list[bool | None]]:
    """Lines on a group whose labels are missing, and which experiments came out as expected.

    An experiment whose networks cannot tell the group from the others has no verdict: None.
    """
    dataset = here["dataset"].iloc[0]
    several = len(about["groups"]) > 1
    title = f"{dataset}: {class_name} is missing in {group if several else 'some cases'}"
    if scores is not None and _is_never_drawn(scores, dataset, group, class_name):
        line = (
            f"  ! no true label of {group} has {class_name}, so the study cannot score whether it "
            "is found there; look at the predictions"
        )
        return [title, line], []
    lacking = here["labeling"].map(lambda each: group in lacking_groups(about, each, class_name))
    labelled = [
        share_missing(about, labeling, of_group, class_name) <= MOST
        for labeling, of_group in zip(here["labeling"], here["group"], strict=True)
    ]
    empty = [each for each in truly_empty(scores, dataset, class_name) if each != group]
    chosen = here.assign(labelled=labelled)[lacking | (here["labeling"] == FULL)]
    judged = list(_partial(chosen, group, scores, empty, several))
    labelings = [labeling for labeling, _, _ in judged]
    alone = dict.fromkeys(labelings, ALONE)
    doubts = alike_lines(apart, here, group, class_name) if several else alone
    full = _full(here[~here["group"].isin(empty)])
    lines = [*doubt_lines(doubts, labelings), *full, *(line for _, line, _ in judged)]
    verdicts = [None if labeling in doubts else agrees for labeling, _, agrees in judged]
    return [title, *(f"  {line}" for line in lines)], verdicts


def _is_never_drawn(scores: pd.DataFrame, dataset: str, group: str, class_name: str) -> bool:
    """Whether a group's labels are missing in the data themselves, which hides what was found."""
    chosen = scores[["dataset", "group", "class"]].eq([dataset, group, class_name]).all(axis=1)
    return not bool((scores.loc[chosen, "volume_true_ml"] > 0).any())


def _full(here: pd.DataFrame) -> list[str]:
    full = here[here["labeling"] == "full"]
    if full.empty:
        return []
    low, high = full["dsc"].min(), full["dsc"].max()
    setups = ", ".join(sort_setups(full["setup"]))
    return [f"full labels: DSC {_range(low, high)} over all groups ({setups})"]


def _partial(
    here: pd.DataFrame,
    group: str,
    scores: pd.DataFrame | None,
    empty: Sequence[str],
    several: bool,
) -> Iterator[tuple[str, str, bool]]:
    """Labeling, line and whether it came out as theory expects, of each experiment that lacks some.

    `here`: rows of Table 1; `labelled`, whether most labels of the group were there in training.
    `empty`: groups that truly have nothing of the class, which are no measure of segmentation.
    `several`: whether the data set has groups; without them there is no verdict.
    """
    partial = here[here["labeling"] != "full"]
    shares, sizes = partial["labeling"].nunique() > 1, partial["batch_size"].nunique() > 1
    for setup in sort_setups(partial["setup"]):
        trained = partial[partial["setup"] == setup].groupby(["labeling", "batch_size"])
        for (labeling, size), rows in trained:
            gone = rows[rows["group"] == group]
            kept = rows[rows["labelled"] & ~rows["group"].isin([group, *empty])]
            if gone.empty:
                continue
            dsc, expected = float(gone["dsc"].iloc[0]), bool(gone["learns_empty"].iloc[0])
            reference, source = _reference(here, gone.iloc[0], kept)
            segmented = kept.empty or float(kept["dsc"].mean()) >= POOR
            done, agrees = _judge(dsc, reference, expected, segmented)
            name = setup + f", {labeling}" * shares + f", B = {size}" * sizes
            groups = "".join(f", {r['group']} {_dsc(r)}" for _, r in kept.iterrows())
            against = f" ({source} {reference:.2f})" if source else ""
            mark = "" if agrees else "! "
            class_name, found = str(gone["class"].iloc[0]), _dsc(gone.iloc[0])
            bias = volume_bias(scores, gone.iloc[0], group, class_name)
            if scores is not None:
                groups += "".join(invented(scores, gone.iloc[0], g, class_name) for g in empty)
            judged = f"{mark}{name} {done}: DSC {group} " if several else f"{name}: DSC "
            yield str(labeling), f"{judged}{found}{against}{bias}{groups}", agrees


def _dsc(row: pd.Series) -> str:
    """The mean DSC of a row of Table 1, with its spread where there are several seeds."""
    spread = row.get("dsc_seed_sd", float("nan"))
    return f"{row['dsc']:.2f}" + (f" ± {spread:.2f}" if pd.notna(spread) else "")


def _reference(here: pd.DataFrame, gone: pd.Series, kept: pd.DataFrame) -> tuple[float, str]:
    """DSC to expect in the missing group if its missing labels are ignored, and its source."""
    full = here[(here["labeling"] == "full") & (here["group"] == gone["group"])]
    same = full[(full["setup"] == gone["setup"]) & (full["batch_size"] == gone["batch_size"])]
    if len(same):
        return float(same["dsc"].iloc[0]), "full labels"
    if len(full):
        return float(full["dsc"].mean()), "full labels, mean of setups"
    return (float(kept["dsc"].mean()), "") if len(kept) else (1.0, "")


def _judge(dsc: float, reference: float, expected: bool, segmented: bool) -> tuple[str, bool]:
    """Describe an outcome, and whether it is the one that theory expects.

    `segmented`: whether the labelled group is segmented. A network that outputs nothing anywhere
    has not learnt which maps are empty, and one that segments nothing well has ignored nothing.
    """
    if not segmented:
        return ("fails in the labelled group too", False)
    if dsc >= reference - SAME:
        return ("ignores the missing labels", not expected)
    if dsc <= EMPTY * reference:
        return ("learns the empty maps", expected)
    return ("partly learns the empty maps", expected)


def _range(low: float, high: float) -> str:
    return f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"

"""DSC of every case, paired between full and partial labels, with significance bars."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dicegrad.evaluation.experiments import one_score_each
from dicegrad.evaluation.setups import share_missing, with_missing_labels
from dicegrad.reporting.figures.style import (
    blank,
    label_panel,
    legend,
    panels,
    save,
    stacked,
    subject_of,
    theme,
)
from dicegrad.reporting.looks import look, sort_setups

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_distributions(
    scores: pd.DataFrame,
    comparisons: pd.DataFrame,
    datasets: Mapping[str, Mapping[str, Any]],
    out_stem: Path | str,
) -> list[Path]:
    """Draw the DSC of every case: a box per experiment, a line per case from full to partial.

    Args:
        scores: scores.tsv.
        comparisons: comparisons.tsv of the same scores.
        datasets: {name: `Dataset.about`}.
        out_stem: Path without suffix.

    Returns:
        The PNG and the SVG. Rows are the classes with missing labels, columns the groups. A bar
        over a pair gives the p value of the rank test. Of several labelings with missing labels,
        the one with the most is drawn.
    """
    named = one_score_each(scores)
    named = pd.concat([named[named["labeling"] == "full"], with_missing_labels(named, datasets)])
    rows = [
        (name, class_name)
        for name, about in datasets.items()
        for class_name in about["missing"]["classes"]
        if ((named["dataset"] == name) & (named["class"] == class_name)).any()
    ]
    if not rows:
        return blank("No distributions: no score of a class with missing labels.", out_stem)
    columns = max(len(datasets[name]["groups"]) for name, _ in rows)
    boxes = max(
        part[["setup", "batch_size"]].drop_duplicates().shape[0]
        for _, part in named.groupby("dataset")
    )
    with theme():
        size = (max(3.2, 0.5 * boxes + 0.8), 2.5)
        figure, axes = panels(len(rows), columns, size, sharey=True, extra_height=0.4)
        for row, (name, class_name) in zip(axes, rows, strict=True):
            for panel in row[len(datasets[name]["groups"]) :]:
                panel.axis("off")
            for panel, group in zip(row, datasets[name]["groups"], strict=False):
                _draw(panel, *_select(named, comparisons, name, class_name, group))
                gone = _lacks(named, datasets, name, class_name, group)
                label_panel(
                    panel,
                    f"{subject_of(name, class_name)}, {group}" + " (missing if partial)" * gone,
                )
            row[0].set_ylabel("DSC per case")
        legend(figure, [], extra=_explain(named, rows))
        return save(figure, out_stem)


def _lacks(
    named: pd.DataFrame,
    datasets: Mapping[str, Mapping[str, Any]],
    name: str,
    class_name: str,
    group: str,
) -> bool:
    """Whether a labeling that is drawn takes labels of a class from a group."""
    drawn = set(named.loc[named["dataset"] == name, "labeling"])
    return any(share_missing(datasets[name], each, group, class_name) > 0 for each in drawn)


def _select(
    named: pd.DataFrame, comparisons: pd.DataFrame, name: str, class_name: str, group: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    def here(table: pd.DataFrame) -> pd.DataFrame:
        return table[
            (table["dataset"] == name) & (table["class"] == class_name) & (table["group"] == group)
        ]

    cases, tests = here(named), here(comparisons)
    asked = (tests["metric"] == "dsc") & (tests["question"] == "labeling")
    return cases, tests[asked & tests["labeling_a"].isin(set(cases["labeling"]))]


def _draw(panel: "Axes", cases: pd.DataFrame, tests: pd.DataFrame) -> None:
    order = [
        (setup, size)
        for setup in sort_setups(cases["setup"])
        for size in sorted(cases.loc[cases["setup"] == setup, "batch_size"].unique())
    ]
    several = cases["batch_size"].nunique() > 1
    for place, (setup, size) in enumerate(order):
        here = cases[(cases["setup"] == setup) & (cases["batch_size"] == size)]
        some = np.where(here["labeling"] == "full", "full", "partial")
        wide = here.assign(labels=some).pivot(index="case", columns="labels", values="dsc")
        wide = wide.reindex(columns=["full", "partial"])
        _draw_pair(panel, place, wide, look(setup).colour)
        test = tests[(tests["setup_a"] == setup) & (tests["batch_size"] == size)]
        if len(test):
            _bar(panel, place, float(test["p_value"].iloc[0]))
    names = [look(s).text + (f"\nB={b}" if several else "") for s, b in order]
    panel.set_xticks(range(len(order)), [stacked(name) for name in names])
    panel.set(xlim=(-0.6, len(order) - 0.4), ylim=(-0.05, 1.19))
    panel.set_yticks(np.linspace(0, 1, 6))
    panel.grid(visible=False, axis="x")


def _draw_pair(panel: "Axes", place: int, wide: pd.DataFrame, colour: str) -> None:
    """Boxes of both labelings side by side and one thin line per case."""
    at = {"full": place - 0.2, "partial": place + 0.2}
    complete = wide.dropna()
    alpha = float(np.clip(6 / max(len(complete), 1), 0.12, 0.6))
    inner = [at["full"] + 0.07, at["partial"] - 0.07]
    panel.plot(inner, complete.to_numpy().T, color="0.35", linewidth=0.5, alpha=alpha, zorder=1)
    for labeling, x in at.items():
        values = wide[labeling].dropna()
        if values.empty:
            continue
        face = "white" if labeling == "partial" else colour + "70"
        line = {"color": colour, "linewidth": 1}
        panel.boxplot(
            values, positions=[x], widths=0.26, patch_artist=True, manage_ticks=False,
            boxprops={"facecolor": face, "edgecolor": colour}, medianprops=line,
            whiskerprops=line, capprops=line, zorder=2,
            flierprops={"marker": ".", "markersize": 3, "markeredgecolor": colour},
        )  # fmt: skip


def _bar(panel: "Axes", place: int, p_value: float) -> None:
    low, high = 1.04, 1.07
    ends = [place - 0.2, place - 0.2, place + 0.2, place + 0.2]
    panel.plot(ends, [low, high, high, low], color="0.2", linewidth=0.7)
    weight = "bold" if p_value < 0.05 else "normal"
    panel.text(place, 1.085, _p(p_value), ha="center", va="bottom", fontsize=6.5, weight=weight)


def _p(p_value: float) -> str:
    return "p<.001" if p_value < 0.001 else f"p={p_value:.3f}".replace("0.", ".")


def _explain(named: pd.DataFrame, rows: list[tuple[str, str]]) -> list[tuple[Any, str]]:
    """What is drawn of some classes: boxes of either labeling, and lines from one to the other."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shown = named[[each in rows for each in zip(named["dataset"], named["class"], strict=True)]]
    shown = shown.dropna(subset=["dsc"]).assign(full=shown["labeling"] == "full")
    ends = ["dataset", "class", "group", "setup", "batch_size", "case"]
    entries: list[tuple[Any, str]] = []
    if shown["full"].any():
        entries.append((Patch(facecolor="0.7", edgecolor="0.3"), "full labels"))
    if not shown["full"].all():
        entries.append((Patch(facecolor="white", edgecolor="0.3"), "partial labels"))
    if shown.groupby(ends)["full"].nunique().gt(1).any():
        entries.append((Line2D([], [], color="0.35", linewidth=0.6), "one case"))
    return entries

"""The finding at a glance: mean DSC of both groups for every setup, on full and partial labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicegrad.evaluation.setups import lacking_groups, taken_by
from dicegrad.reporting.figures.style import (
    SHADE,
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
from dicegrad.reporting.names import for_figure
from dicegrad.reporting.tables import Datasets
from dicegrad.study.labeling import PARTIAL, sort_labelings

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Parts = list[tuple[Any, pd.DataFrame]]


def plot_finding(table1: pd.DataFrame, datasets: Datasets, out_stem: Path | str) -> list[Path]:
    """Draw Table 1: DSC of the missing class, filled for the labelled group, open for the other.

    Where one group lacks labels under one labeling, and another under another, a marker is open in
    the panels of the labeling that takes labels of its group, and filled in the others.

    Args:
        table1: table1.tsv.
        datasets: As for `tables.table1`.
        out_stem: Path without suffix.

    Returns:
        The PNG and the SVG. A shaded band marks experiments in which theory expects empty maps.
        Of several seeds, two ticks mark their standard deviation.
    """
    if table1.empty:
        return blank("No finding: no score of a class with missing labels.", out_stem)
    parts = list(table1.groupby(["dataset", "class"], sort=False))
    lacking = [_lacking(part, datasets) for _, part in parts]
    always = _open_in_every_panel(parts, lacking)
    with theme():
        labelings = _columns(table1, datasets)
        widest = max(len(_trainings(part)) for _, part in parts)
        size = (max(2.8, 0.45 * widest + 0.8), 2.3)
        figure, axes = panels(len(parts), len(labelings), size, sharey=True, extra_height=0.6)
        for i, (row, (keys, part)) in enumerate(zip(axes, parts, strict=True)):
            for panel, labeling in zip(row, labelings, strict=True):
                _draw(panel, part, labeling, always[i] if always else lacking[i].get(labeling, []))
                label_panel(panel, f"{subject_of(*keys)}: {labeling} labels")
            row[0].set_ylabel("Mean DSC against full labels")
        legend(figure, [], extra=_explain(parts, lacking, always))
        return save(figure, out_stem)


def _columns(table1: pd.DataFrame, datasets: Datasets) -> list[str]:
    """The labelings in the order to draw; the most that one takes of any dataset counts."""
    names = set(table1["labeling"])
    of_dataset = [taken_by(datasets[name], names) for name in table1["dataset"].unique()]
    return sort_labelings(names, {name: max(each[name] for each in of_dataset) for name in names})


def _lacking(part: pd.DataFrame, datasets: Datasets) -> dict[str, list[str]]:
    """Labeling -> the groups of a dataset and class whose labels it takes, in the order drawn."""
    about, class_name = datasets[part["dataset"].iloc[0]], part["class"].iloc[0]
    found = {}
    for labeling in part["labeling"].unique():
        gone = lacking_groups(about, labeling, class_name)
        found[labeling] = [group for group in _groups(part) if group in gone]
    return found


def _open_in_every_panel(
    parts: Parts, lacking: list[dict[str, list[str]]]
) -> list[list[str]] | None:
    """The groups to draw open by part, on full labels too; None if no group keeps its part."""
    found = [list(filter(None, of_labeling.values())) for of_labeling in lacking]
    if not any(found):
        return [_groups(part)[-1:] for _, part in parts]
    if any(not each or any(groups != each[0] for groups in each) for each in found):
        return None
    gone = [each[0] for each in found]
    kept = _kept(parts, gone)
    return None if any(name in kept for groups in gone for name in groups) else gone


def _kept(parts: Parts, gone: list[list[str]]) -> list[str]:
    """The groups of every part that are not among those that lack labels there."""
    both = zip(parts, gone, strict=True)
    return list(
        dict.fromkeys(
            group for (_, part), groups in both for group in _groups(part) if group not in groups
        )
    )


def _trainings(part: pd.DataFrame) -> list[tuple[str, int]]:
    """(setup, batch size) of a panel, in the order to draw."""
    sizes = part.groupby("setup")["batch_size"].unique()
    return [
        (setup, int(size)) for setup in sort_setups(sizes.index) for size in sorted(sizes[setup])
    ]


def _draw(panel: "Axes", part: pd.DataFrame, labeling: str, hollow: Sequence[str]) -> None:
    order = _trainings(part)
    several = part["batch_size"].nunique() > 1
    here = part[part["labeling"] == labeling]
    groups = _groups(part)
    for _, row in here.iterrows():
        place = order.index((row["setup"], int(row["batch_size"])))
        if row["learns_empty"]:
            panel.axvspan(place - 0.5, place + 0.5, color=SHADE, alpha=0.6, linewidth=0)
        _point(panel, row, place, groups, hollow=row["group"] in hollow)
    for place, key in enumerate(order):
        if not ((here["setup"] == key[0]) & (here["batch_size"] == key[1])).any():
            panel.text(place, 0.5, "not\nrun", ha="center", va="center", fontsize=7, color="0.6")
    names = [look(s).text + (f"\nB={b}" if several else "") for s, b in order]
    panel.set_xticks(range(len(order)), [stacked(name) for name in names])
    panel.set(xlim=(-0.5, len(order) - 0.5), ylim=(-0.04, 1.04))
    panel.grid(visible=False, axis="x")


def _groups(part: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(part["group"]))


def _point(panel: "Axes", row: pd.Series, place: int, groups: list[str], *, hollow: bool) -> None:
    """Mean, confidence interval, and spread over seeds."""
    seen = look(row["setup"])
    rank = groups.index(row["group"])
    x = place + 0.28 * (rank - (len(groups) - 1) / 2)
    low, high = row["dsc_low"], row["dsc_high"]
    if pd.notna(low):
        panel.plot([x, x], [low, high], color=seen.colour, linewidth=1.4, zorder=2)
    if pd.notna(spread := row.get("dsc_seed_sd", float("nan"))):
        ends = [row["dsc"] - spread, row["dsc"] + spread]
        panel.hlines(ends, x - 0.12, x + 0.12, color=seen.colour, linewidth=1.2, zorder=2)
    face = "white" if hollow else seen.colour
    style: dict[str, Any] = {"markeredgecolor": seen.colour, "markeredgewidth": 1.5}
    panel.plot(x, row["dsc"], marker=seen.marker, color=face, markersize=6.5, zorder=3, **style)


def _explain(
    parts: Parts, lacking: list[dict[str, list[str]]], always: list[list[str]] | None
) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markeredgecolor": "0.2"}
    filled = Line2D([], [], color="0.2", **style)
    hollow = Line2D([], [], color="white", markeredgewidth=1.5, **style)
    has, lacks, order = _name_groups(parts, lacking, always)
    named = [(filled, has), (hollow, lacks), (Patch(alpha=0), order)]
    entries: list[tuple[Any, str]] = [(handle, text) for handle, text in named if text]
    if any(part["learns_empty"].any() for _, part in parts):
        entries.append((Patch(color=SHADE, alpha=0.6), "theory expects empty maps"))
    if any("seeds" in part for _, part in parts):
        tick = Line2D([], [], color="0.2", linestyle="none", marker="_", markersize=8)
        entries.append((tick, "± standard deviation over seeds"))
    return entries


def _name_groups(
    parts: Parts, lacking: list[dict[str, list[str]]], always: list[list[str]] | None
) -> tuple[str, str, str]:
    """What a filled and an open marker stand for, and the order of the groups where they vary."""
    if always is None:
        orders = dict.fromkeys(", ".join(_groups(part)) for _, part in parts)
        return "labelled", "labels missing", for_figure(f"from the left: {' / '.join(orders)}")
    kept = for_figure(" / ".join(_kept(parts, always)))
    gone = for_figure(" / ".join(dict.fromkeys(name for groups in always for name in groups)))
    labelings = {name for of_labeling in lacking for name, groups in of_labeling.items() if groups}
    if not labelings:
        return kept, gone, ""
    word = PARTIAL if PARTIAL in labelings else " or ".join(sort_labelings(labelings))
    return f"{kept}: always labelled" if kept else "", f"{gone}: labels missing if {word}", ""

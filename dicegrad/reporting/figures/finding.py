"""The finding at a glance: mean DSC of both groups for every setup, on full and partial labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

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
from dicegrad.study.labeling import FULL, PARTIAL, sort_labelings

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_finding(table1: pd.DataFrame, out_stem: Path | str) -> list[Path]:
    """Draw Table 1: DSC of the missing class, filled for the labelled group, open for the other.

    Args:
        table1: table1.tsv.
        out_stem: Path without suffix.

    Returns:
        The PNG and the SVG. A shaded band marks experiments in which theory expects empty maps.
        Of several seeds, two ticks mark their standard deviation.
    """
    if table1.empty:
        return blank("No finding: no score of a class with missing labels.", out_stem)
    parts = list(table1.groupby(["dataset", "class"], sort=False))
    with theme():
        labelings = sort_labelings(table1["labeling"])
        widest = max(len(_trainings(part)) for _, part in parts)
        size = (max(2.8, 0.45 * widest + 0.8), 2.3)
        figure, axes = panels(len(parts), len(labelings), size, sharey=True, extra_height=0.6)
        for row, (keys, part) in zip(axes, parts, strict=True):
            for panel, labeling in zip(row, labelings, strict=True):
                _draw(panel, part, labeling)
                label_panel(panel, f"{subject_of(*keys)}: {labeling} labels")
            row[0].set_ylabel("Mean DSC against full labels")
        legend(figure, [], extra=_explain(parts))
        return save(figure, out_stem)


def _trainings(part: pd.DataFrame) -> list[tuple[str, int]]:
    """(setup, batch size) of a panel, in the order to draw."""
    sizes = part.groupby("setup")["batch_size"].unique()
    return [
        (setup, int(size)) for setup in sort_setups(sizes.index) for size in sorted(sizes[setup])
    ]


def _draw(panel: "Axes", part: pd.DataFrame, labeling: str) -> None:
    order = _trainings(part)
    several = part["batch_size"].nunique() > 1
    here = part[part["labeling"] == labeling]
    groups = _groups(part)
    for _, row in here.iterrows():
        place = order.index((row["setup"], int(row["batch_size"])))
        if row["learns_empty"]:
            panel.axvspan(place - 0.5, place + 0.5, color=SHADE, alpha=0.6, linewidth=0)
        _point(panel, row, place, groups)
    for place, key in enumerate(order):
        if not ((here["setup"] == key[0]) & (here["batch_size"] == key[1])).any():
            panel.text(place, 0.5, "not\nrun", ha="center", va="center", fontsize=7, color="0.6")
    names = [look(s).text + (f"\nB={b}" if several else "") for s, b in order]
    panel.set_xticks(range(len(order)), [stacked(name) for name in names])
    panel.set(xlim=(-0.5, len(order) - 0.5), ylim=(-0.04, 1.04))
    panel.grid(visible=False, axis="x")


def _groups(part: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(part["group"]))


def _point(panel: "Axes", row: pd.Series, place: int, groups: list[str]) -> None:
    """Mean, confidence interval, and spread over seeds; the missing group (last) is open."""
    seen = look(row["setup"])
    rank = groups.index(row["group"])
    x = place + 0.28 * (rank - (len(groups) - 1) / 2)
    low, high = row["dsc_low"], row["dsc_high"]
    if pd.notna(low):
        panel.plot([x, x], [low, high], color=seen.colour, linewidth=1.4, zorder=2)
    if pd.notna(spread := row.get("dsc_seed_sd", float("nan"))):
        ends = [row["dsc"] - spread, row["dsc"] + spread]
        panel.hlines(ends, x - 0.12, x + 0.12, color=seen.colour, linewidth=1.2, zorder=2)
    face = "white" if rank == len(groups) - 1 else seen.colour
    style: dict[str, Any] = {"markeredgecolor": seen.colour, "markeredgewidth": 1.5}
    panel.plot(x, row["dsc"], marker=seen.marker, color=face, markersize=6.5, zorder=3, **style)


def _explain(parts: list[tuple[Any, pd.DataFrame]]) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    orders = [_groups(part) for _, part in parts]
    kept = for_figure(" / ".join(dict.fromkeys(name for order in orders for name in order[:-1])))
    gone = for_figure(" / ".join(dict.fromkeys(order[-1] for order in orders)))
    style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markeredgecolor": "0.2"}
    filled = Line2D([], [], color="0.2", **style)
    hollow = Line2D([], [], color="white", markeredgewidth=1.5, **style)
    labelings = {name for _, part in parts for name in part["labeling"]} - {FULL}
    word = PARTIAL if not labelings or PARTIAL in labelings else " or ".join(sorted(labelings))
    lacks, has = (f": labels missing if {word}", ": always labelled") if labelings else ("", "")
    entries: list[tuple[Any, str]] = [(hollow, f"{gone}{lacks}")]
    if kept:
        entries.insert(0, (filled, f"{kept}{has}"))
    if any(part["learns_empty"].any() for _, part in parts):
        entries.append((Patch(color=SHADE, alpha=0.6), "theory expects empty maps"))
    if any("seeds" in part for _, part in parts):
        tick = Line2D([], [], color="0.2", linestyle="none", marker="_", markersize=8)
        entries.append((tick, "± standard deviation over seeds"))
    return entries

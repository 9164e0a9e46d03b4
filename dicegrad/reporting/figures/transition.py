"""The transition: DSC against epsilon / v, with the push that theory says."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dicegrad.evaluation.epsilon_sweep import LINE, relative_push, tipping_point
from dicegrad.reporting.figures.style import (
    SHADE,
    blank,
    label_panel,
    panels,
    save,
    subject_of,
    theme,
)
from dicegrad.reporting.looks import line_style
from dicegrad.study.labeling import sort_labelings
from dicegrad.study.losses import AS_EMPTY, IGNORED, MARGINAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINEAR_BELOW = 1e-3  # epsilon / v; the axis is logarithmic above, and reaches 0
MARKERS = {1: "o", 2: "s", 4: "^", 8: "D"}
# Of markers, by what the loss does with maps that are not annotated.
FILLS = {AS_EMPTY: "full", IGNORED: "none", MARGINAL: "left"}


def worth_drawing(experiments: pd.DataFrame) -> bool:
    """Whether a study has a transition to show: three epsilons or more, all else equal.

    Args:
        experiments: The experiment table.
    """
    swept = experiments[(experiments["loss"] == "dice") & (experiments["phi"] == "I")]
    same = [name for name in swept if name not in ("epsilon", "loss", "phi")]
    return bool((swept.groupby(same)["epsilon"].nunique() > 2).any())


def plot_transition(transition: pd.DataFrame, out_stem: Path | str) -> list[Path]:
    """Draw transition.tsv: colour is the labeling, line style the batch size.

    A loss that is told what is annotated has hollow markers.

    Args:
        transition: transition.tsv.
        out_stem: Path without suffix.

    Returns:
        The PNG and the SVG; one row of panels per dataset and missing class, the missing group
        first, with theory's push in its panel.
    """
    transition = transition.dropna(subset="epsilon_over_v")
    if transition.empty:
        return blank("No transition: no experiment with image-wise Dice and a known v.", out_stem)
    parts = list(transition.groupby(["dataset", "class"], sort=False))
    groups = [_groups(part) for _, part in parts]
    with theme():
        columns, colours = max(map(len, groups)), _colours(transition)
        figure, axes = panels(len(parts), columns, (3.3, 2.5), sharey=True, extra_height=0.75)
        for row, (keys, part), names in zip(axes, parts, groups, strict=True):
            for panel in row[len(names) :]:
                panel.axis("off")
            for panel, group in zip(row, names, strict=False):
                here = part[part["group"] == group]
                _draw(panel, here, colours)
                gone = "labels missing" if here["missing"].any() else "always labelled"
                label_panel(panel, f"{subject_of(*keys)}, {group}: {gone}")
            row[0].set_ylabel("Mean DSC against full labels")
        _explain(figure, transition)
        return save(figure, out_stem)


def _groups(part: pd.DataFrame) -> list[str]:
    """The missing group, then the others."""
    return list(dict.fromkeys(part.sort_values("missing", ascending=False)["group"]))


def _colours(transition: pd.DataFrame) -> dict[str, Any]:
    """Labeling -> colour, the darker the more labels are missing."""
    from matplotlib import colormaps

    taken = transition.groupby("labeling")["share_missing"].max().fillna(0).to_dict()
    labelings = sort_labelings(transition["labeling"], taken)
    places = np.linspace(0.75, 0, len(labelings)) if len(labelings) > 1 else [0.0]
    return dict(zip(labelings, colormaps["viridis"](places), strict=True))


def _style(batch_size: int, several: bool) -> str:
    """The paper's line style of a batch size; solid where there is only one."""
    return line_style(batch_size) if several else "-"


def _marker(batch_size: int, unannotated: str) -> dict[str, Any]:
    """Shape and filling of the markers of a line."""
    filling = {"fillstyle": FILLS[unannotated], "markerfacecoloralt": "none"}
    return {"marker": MARKERS.get(batch_size, "v"), "markersize": 4.5, **filling}


def _draw(panel: "Axes", here: pd.DataFrame, colours: Mapping[str, Any]) -> None:
    top = max(10.0, 1.3 * here["epsilon_over_v"].max())
    if here["missing"].any():
        x = np.concatenate([[0], np.geomspace(LINEAR_BELOW / 10, top, 300)])
        panel.fill_between(x, relative_push(x), color=SHADE, alpha=0.6, linewidth=0, zorder=0)
    several = here["batch_size"].nunique() > 1
    for (_, _, labeling, told, size), line in here.groupby(LINE, sort=False):
        colour = colours[labeling]
        style = {"color": colour, **_marker(size, told)}
        # Two points do not tell what lies between them.
        style["linestyle"] = _style(size, several) if len(line) > 2 else "none"
        panel.plot(line["epsilon_over_v"], line["dsc"], linewidth=1.3, zorder=3, **style)
        panel.vlines(
            line["epsilon_over_v"], line["dsc_low"], line["dsc_high"], color=colour, linewidth=0.8
        )
        if "dsc_seed_sd" in line:
            for sign in (-1, 1):
                ends = line["dsc"] + sign * line["dsc_seed_sd"]
                panel.plot(line["epsilon_over_v"], ends, "_", color=colour, markersize=6)
        tips = tipping_point(line["share_missing"].iloc[0])
        # Only a loss that takes missing labels for empty maps is pushed by them.
        if line["missing"].iloc[0] and told == AS_EMPTY and 0 < tips < top:
            panel.plot([tips, tips], [0.0, 0.09], color=colour, linewidth=2.5, zorder=4)
    panel.set_xscale("symlog", linthresh=LINEAR_BELOW, linscale=0.4)
    panel.set(xlim=(-0.1 * LINEAR_BELOW, top), ylim=(-0.04, 1.04))
    panel.set_xlabel("ε / v  (0: ε = 10⁻⁷)")
    panel.grid(visible=False, axis="x")


def _explain(figure: "Figure", transition: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[tuple[Any, str]] = []
    colours = _colours(transition)
    lines = transition[["labeling", "unannotated", "batch_size"]].drop_duplicates()
    several = lines["batch_size"].nunique() > 1
    for labeling in colours:
        here = lines[lines["labeling"] == labeling].sort_values(["unannotated", "batch_size"])
        for _, told, size in here.itertuples(index=False):
            style = {"color": colours[labeling], "linestyle": _style(size, several)}
            handle = Line2D([], [], **_marker(size, told), **style)
            how = "" if told == AS_EMPTY else f", {told}"
            entries.append((handle, f"{labeling} labels{how}" + f", B = {size}" * several))
    entries.append((Patch(color=SHADE, alpha=0.6), "theory: push on an empty map / its maximum"))
    pushed = transition[transition["unannotated"] == AS_EMPTY]
    if any(0.5 < share < 1 for share in pushed["share_missing"]):
        tick = Line2D([], [], color="0.4", linewidth=2.5, marker="")
        entries.append((tick, "theory: empty maps win above this ε / v"))
    if "seeds" in transition:
        tick = Line2D([], [], color="0.4", linestyle="none", marker="_", markersize=8)
        entries.append((tick, "± standard deviation over seeds"))
    handles, labels = zip(*entries, strict=True)
    columns = 2 if figure.get_figwidth() < 8 else 3
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)

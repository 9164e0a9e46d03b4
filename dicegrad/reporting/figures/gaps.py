"""Which loss survives which gap: a heat map of mean DSC, labelings by setups."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dicegrad.reporting.figures.style import blank, label_panel, panels, save, stacked, theme
from dicegrad.reporting.looks import look, sort_setups
from dicegrad.reporting.names import for_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_gaps(gaps: pd.DataFrame, out_stem: Path | str) -> list[Path]:
    """Draw the table of `evaluation.gaps.gaps`.

    Args:
        gaps: gaps.tsv.
        out_stem: Path without suffix.

    Returns:
        The PNG and the SVG. Each cell holds the mean DSC and its 95 % interval.
    """
    if gaps.empty:
        return blank("No score.", out_stem)
    parts = list(gaps.groupby("dataset", sort=False))
    setups = sort_setups(gaps["setup"])
    rows = max(part["labeling"].nunique() for _, part in parts)
    with theme():
        size = (0.72 * len(setups) + 1.6, 0.5 * rows + 0.9)
        figure, axes = panels(len(parts), 1, size)
        for (dataset, part), panel in zip(parts, axes[:, 0], strict=True):
            _draw(panel, part, setups)
            label_panel(panel, for_figure(dataset))
        return save(figure, out_stem)


def _draw(panel: "Axes", part: pd.DataFrame, setups: list[str]) -> None:
    import seaborn as sns

    labelings = list(dict.fromkeys(part["labeling"]))
    cells = part.drop_duplicates(["labeling", "setup"]).set_index(["labeling", "setup"])
    dsc = cells["dsc"].unstack().reindex(index=labelings, columns=setups)
    words = np.full(dsc.shape, "", dtype=object)
    for (labeling, setup), row in cells.iterrows():
        place = labelings.index(labeling), setups.index(setup)
        words[place] = f"{row['dsc']:.2f}"
        if pd.notna(row["dsc_low"]):
            words[place] += f"\n{row['dsc_low']:.2f}–{row['dsc_high']:.2f}"
    sns.heatmap(
        dsc,
        ax=panel,
        vmin=0,
        vmax=1,
        cmap="cividis",
        annot=words,
        fmt="",
        annot_kws={"fontsize": 6.5, "linespacing": 0.95},
        linewidths=0.8,
        cbar_kws={"label": "Mean DSC"},
    )
    panel.set(xlabel="", ylabel="")
    panel.set_xticks(
        np.arange(len(setups)) + 0.5, [stacked(look(setup).text) for setup in setups], rotation=0
    )
    panel.set_yticks(
        np.arange(len(labelings)) + 0.5, [for_figure(name) for name in labelings], rotation=0
    )

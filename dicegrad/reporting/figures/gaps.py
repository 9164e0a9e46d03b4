"""Which loss survives which gap: a heat map of mean DSC, labelings by setups."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dicegrad.reporting.figures.style import blank, panels, save, stacked, theme
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
        The PNG and the SVG. Each cell holds the mean DSC and its 95 % interval; of several seeds
        also their standard deviation.
    """
    if gaps.empty:
        return blank("No gap: there is no score to show.", out_stem)
    setups = sort_setups(gaps["setup"])
    rows = list(gaps.groupby(["dataset", "labeling"], sort=False).groups)
    with theme():
        figure, axes = panels(1, 1, (0.72 * len(setups) + 2.4, 0.5 * len(rows) + 0.9))
        _draw(axes[0, 0], gaps, rows, setups)
        return save(figure, out_stem)


def _draw(
    panel: "Axes", gaps: pd.DataFrame, rows: list[tuple[str, str]], setups: list[str]
) -> None:
    import seaborn as sns

    dsc = np.full((len(rows), len(setups)), np.nan)
    words = np.full(dsc.shape, "", dtype=object)
    for _, row in gaps.drop_duplicates(["dataset", "labeling", "setup"]).iterrows():
        place = rows.index((row["dataset"], row["labeling"])), setups.index(row["setup"])
        dsc[place] = row["dsc"]
        words[place] = f"{row['dsc']:.2f}"
        if pd.notna(spread := row.get("dsc_seed_sd", float("nan"))):
            words[place] += f" ± {spread:.2f}"
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
    panel.grid(visible=False)
    panel.set_xticks(
        np.arange(len(setups)) + 0.5, [stacked(look(setup).text) for setup in setups], rotation=0
    )
    names = [for_figure(f"{dataset}: {labeling}") for dataset, labeling in rows]
    panel.set_yticks(np.arange(len(rows)) + 0.5, names, rotation=0)

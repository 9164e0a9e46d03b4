"""Which loss survives which gap: a heat map of mean DSC, labelings by setups."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dicegrad.reporting.figures.style import blank, panels, save, stacked, theme
from dicegrad.reporting.looks import look, sort_setups
from dicegrad.reporting.names import for_figure
from dicegrad.study.labeling import FULL

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_gaps(gaps: pd.DataFrame, out_stem: Path | str) -> list[Path]:
    """Draw the table of `evaluation.gaps.gaps`.

    Args:
        gaps: gaps.tsv.
        out_stem: Path without suffix.

    Returns:
        The PNG and the SVG, with a column per setup and batch size, and a row per labeling that
        takes something, named with what full labels reach on the same maps. Each cell holds the
        mean DSC and its 95 % interval; of several seeds also their standard deviation.
    """
    gaps = gaps[gaps["labeling"] != FULL]
    if gaps.empty:
        return blank("No gap: there is no score to show.", out_stem)
    columns = _columns(gaps)
    rows = gaps.drop_duplicates(["dataset", "labeling"])
    with theme():
        figure, axes = panels(1, 1, (0.72 * len(columns) + 2.4, 0.5 * len(rows) + 0.9))
        _draw(axes[0, 0], gaps, rows, columns)
        return save(figure, out_stem)


def _columns(gaps: pd.DataFrame) -> list[tuple[str, int]]:
    """Setups in their order, each with its batch sizes."""
    sizes = gaps.groupby("setup")["batch_size"].unique()
    return [
        (setup, int(size)) for setup in sort_setups(gaps["setup"]) for size in sorted(sizes[setup])
    ]


def _draw(
    panel: "Axes", gaps: pd.DataFrame, rows: pd.DataFrame, columns: list[tuple[str, int]]
) -> None:
    import seaborn as sns

    places = list(zip(rows["dataset"], rows["labeling"], strict=True))
    dsc = np.full((len(rows), len(columns)), np.nan)
    words = np.full(dsc.shape, "", dtype=object)
    for _, row in gaps.iterrows():
        column = columns.index((row["setup"], int(row["batch_size"])))
        place = places.index((row["dataset"], row["labeling"])), column
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
    several = gaps["batch_size"].nunique() > 1
    titles = [stacked(look(setup).text) + f"\nB={size}" * several for setup, size in columns]
    panel.set_xticks(np.arange(len(columns)) + 0.5, titles, rotation=0)
    names = [_name(row) for _, row in rows.iterrows()]
    panel.set_yticks(np.arange(len(rows)) + 0.5, names, rotation=0)


def _name(row: pd.Series) -> str:
    """The labeling of a row, and what full labels reach there, if the study has them."""
    name = for_figure(f"{row['dataset']}: {row['labeling']}")
    return name if pd.isna(row["dsc_full"]) else f"{name}\nfull labels: {row['dsc_full']:.2f}"

"""Figure 2: detecting the always-labelled group by the predicted volume of the missing class."""

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dicegrad.reporting.figures.style import blank, label_panel, panels, save, theme
from dicegrad.reporting.looks import line_style, look, sort_setups
from dicegrad.reporting.names import for_figure
from dicegrad.reporting.tables import Datasets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTER_INCHES = 0.085  # of a title, about
KEY_LETTER_INCHES = 0.05  # of the key


def worth_drawing(experiments: pd.DataFrame, datasets: Datasets) -> bool:
    """Whether a study has a ROC to show: partial labels, in a dataset of two groups or more.

    Args:
        experiments: The experiment table.
        datasets: {name: {"groups": [...], ...}}.
    """
    partial = experiments.loc[experiments["labeling"] != "full", "dataset"]
    return any(len(datasets[name]["groups"]) > 1 for name in set(partial))


def plot_roc(roc: pd.DataFrame, out_stem: Path | str) -> list[Path]:
    """Draw every curve of roc.tsv: colour is the setup, line style the batch size.

    Args:
        roc: roc.tsv.
        out_stem: Path without suffix.

    Returns:
        The PNG and the SVG.
    """
    if roc.empty:
        return blank(
            "No ROC: it needs experiments with partial labels, and cases of both groups.", out_stem
        )
    with theme():
        parts = list(roc.groupby(["dataset", "class"], sort=False))
        longest = max(part.groupby(["setup", "batch_size"]).ngroups for _, part in parts)
        width = 3.9 if roc["batch_size"].nunique() > 1 else 3.4  # room for B in the key
        columns = _key_columns(roc, longest, width)
        foot = 0.25 + 0.16 * -(-longest // columns)
        figure, axes = panels(1, len(parts), (width, 3.3), foot=foot)
        for (panel, key), (keys, part) in zip(axes.T, parts, strict=True):
            _draw(panel, key, part, columns)
            first = part.iloc[0]
            title = f"{keys[0]}: {first['positive']} by predicted {keys[1]} volume"
            label_panel(panel, "\n".join(wrap(title, int(width / LETTER_INCHES))))
        return save(figure, out_stem)


def _key_columns(roc: pd.DataFrame, entries: int, width: float) -> int:
    """Two columns for a long key, if two of its longest entries fit side by side."""
    names = [look(setup).text for setup in roc["setup"].unique()]
    letters = max(map(len, names)) + len(": 0.00 [0.00, 0.00]")
    letters += len(", B=2") * (roc["batch_size"].nunique() > 1)
    return 2 if entries > 3 and 2 * (letters * KEY_LETTER_INCHES + 0.5) < width else 1


def _draw(panel: "Axes", key: "Axes", part: pd.DataFrame, columns: int) -> None:
    panel.plot([0, 1], [0, 1], color="0.75", linewidth=0.8, zorder=1)
    curves = dict(list(part.groupby(["setup", "batch_size"])))
    order = [key for s in sort_setups(part["setup"]) for key in sorted(curves) if key[0] == s]
    # Curves that coincide (all perfect) stay visible: the first is the widest and lies below.
    widths = np.linspace(2.8, 1.2, len(order)) if len(order) > 1 else [1.6]
    several = part["batch_size"].nunique() > 1
    for name, width in zip(order, widths, strict=True):
        _draw_curve(panel, curves[name], width, several)
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    first = part.iloc[0]
    negative, positive = for_figure(first["negative"]), for_figure(first["positive"])
    panel.set_xlabel(f"1 − specificity ({negative}, n = {first['n_negative']:.0f})")
    panel.set_ylabel(f"Sensitivity ({positive}, n = {first['n_positive']:.0f})")
    title = "AUC, mean ± SD over seeds" if "seed" in part else "AUC [95 % CI]"
    key.legend(
        *panel.get_legend_handles_labels(), loc="upper center", fontsize=7, title_fontsize=7,
        title=title, handlelength=3.2, columnspacing=1, ncols=columns,
    )  # fmt: skip


def _draw_curve(panel: "Axes", curves: pd.DataFrame, width: float, several: bool) -> None:
    """The curve of one experiment, or one curve for each of its seeds."""
    first = curves.iloc[0]
    seen = look(first["setup"])
    size = f", B={first['batch_size']}" if several else ""
    area = f"{first['auc']:.2f} [{first['auc_low']:.2f}, {first['auc_high']:.2f}]"
    of_seeds = [curves]
    if "seed" in curves:
        of_seeds = [curve for _, curve in curves.groupby("seed", sort=False)]
        areas = pd.Series([curve["auc"].iloc[0] for curve in of_seeds])
        area, width = f"{areas.mean():.2f} ± {areas.std():.2f}", 1.2
    label: str | None = f"{seen.text}{size}: {area}"
    for curve in of_seeds:
        panel.plot(
            curve["false_positive_rate"],
            curve["true_positive_rate"],
            color=seen.colour,
            linestyle=line_style(first["batch_size"]) if several else "-",
            linewidth=width,
            label=label,
        )
        label = None

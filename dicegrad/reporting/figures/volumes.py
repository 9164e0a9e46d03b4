"""Predicted against true volume, and their Bland-Altman plot."""

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
    subject_of,
    theme,
)
from dicegrad.reporting.looks import look, sort_setups

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_volumes(
    scores: pd.DataFrame, datasets: Mapping[str, Mapping[str, Any]], out_stem: Path | str
) -> list[Path]:
    """Draw the volumes that were predicted after training on partial labels, one column per group.

    Args:
        scores: scores.tsv.
        datasets: {name: `Dataset.about`}.
        out_stem: Path without suffix.

    Returns:
        The PNG and the SVG. Above: predicted against true volume with the line of identity.
        Below: their difference against their mean, with the mean difference of each setup and batch
        size (dashed).
    """
    named = with_missing_labels(one_score_each(scores), datasets)
    columns = [
        (name, class_name, group)
        for name, about in datasets.items()
        for class_name in about["missing"]["classes"]
        for group in about["groups"]
    ]
    parts = {
        key: part for key, part in named.groupby(["dataset", "class", "group"]) if key in columns
    }
    columns = [key for key in columns if key in parts]
    if not columns:
        return blank("No volumes: no experiment with partial labels.", out_stem)
    with theme():
        figure, axes = panels(2, len(columns), (2.3, 2.3), extra_height=0.4)
        for i, (name, class_name, group) in enumerate(columns):
            part = parts[name, class_name, group]
            _scatter(axes[0, i], part)
            _bland_altman(axes[1, i], part)
            lost = share_missing(datasets[name], part["labeling"].iloc[0], group, class_name)
            label_panel(axes[0, i], f"{subject_of(name, class_name)}, {group}\n" + _state(lost))
        axes[0, 0].set_ylabel("Predicted volume [ml]")
        axes[1, 0].set_ylabel("Predicted − true [ml]")
        legend(figure, sort_setups(named["setup"]), lines=False)
        return save(figure, out_stem)


def _state(lost: float) -> str:
    """What a training had of a group's labels, by the share of them that it lacked."""
    if lost <= 0:
        return "labels in training"
    return f"{'some ' * (lost < 1)}labels missing in training"


def _points(panel: "Axes", part: pd.DataFrame, x: pd.Series, y: pd.Series) -> None:
    for setup in sort_setups(part["setup"]):
        chosen = part["setup"] == setup
        seen = look(setup)
        panel.scatter(
            x[chosen], y[chosen], s=14, marker=seen.marker, facecolor=seen.colour + "80",
            edgecolor=seen.colour, linewidth=0.6, zorder=3,
        )  # fmt: skip


def _scatter(panel: "Axes", part: pd.DataFrame) -> None:
    top = 1.06 * float(np.nanmax(part[["volume_true_ml", "volume_pred_ml"]].to_numpy()))
    panel.plot([0, top], [0, top], color="0.6", linewidth=0.8, zorder=1)
    _points(panel, part, part["volume_true_ml"], part["volume_pred_ml"])
    low = -0.04 * top
    panel.set(xlim=(low, top), ylim=(low, top), aspect="equal", xlabel="True volume [ml]")


def _bland_altman(panel: "Axes", part: pd.DataFrame) -> None:
    difference = part["volume_pred_ml"] - part["volume_true_ml"]
    mean = (part["volume_pred_ml"] + part["volume_true_ml"]) / 2
    panel.axhline(0, color="0.6", linewidth=0.8, zorder=1)
    _points(panel, part, mean, difference)
    for setup in sort_setups(part["setup"]):
        chosen = part[part["setup"] == setup]
        for _, bias in difference[chosen.index].groupby(chosen["batch_size"]).mean().items():
            panel.axhline(bias, color=look(setup).colour, linewidth=1, linestyle="--", zorder=2)
    panel.set_xlabel("Mean of both [ml]")

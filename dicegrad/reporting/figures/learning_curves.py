"""Learning curves of all folds: losses, and validation DSC per class."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dicegrad.evaluation.experiments import NAMED_BY, one_score_each
from dicegrad.reporting.figures.style import blank, label_panel, legend, panels, save, theme
from dicegrad.reporting.looks import line_style, look, sort_setups
from dicegrad.study.labeling import FULL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOSS_COLUMNS = {"train_loss": "Training loss", "val_loss": "Validation loss"}


def plot_learning_curves(
    histories: pd.DataFrame, setups: Mapping[str, str], out_stem: Path | str
) -> list[Path]:
    """Draw loss and DSC against the optimisation step, one line per experiment, fold and seed.

    Args:
        histories: history.tsv of all training runs, one below the other: epoch, step, train_loss,
            val_loss, dsc_<class> (of the labels used in training) and the experiment columns
            with fold, and perhaps seed. Classes that a dataset lacks are NaN.
        setups: Folder of an experiment -> name of its setup.
        out_stem: Path without suffix.

    Returns:
        The PNG and the SVG; one row of panels per dataset and labeling.
    """
    if histories.empty:
        return blank("No learning curves: no training run has finished an epoch.", out_stem)
    named = histories.assign(setup=histories["experiment"].map(setups))
    named = one_score_each(named, [*NAMED_BY, "fold"], ["epoch"])
    parts = list(named.groupby(["dataset", "labeling"], sort=False))
    quantities = [_quantities(part, str(keys[1])) for keys, part in parts]
    several = named["batch_size"].nunique() > 1
    with theme():
        figure, axes = panels(len(parts), max(map(len, quantities)), (2.5, 1.9), extra_height=0.4)
        for row, (keys, part), shown in zip(axes, parts, quantities, strict=True):
            for panel, (column, label) in zip(row, shown.items(), strict=False):
                _draw(panel, part, column, several)
                panel.set_xlabel("Step")
                panel.set_ylabel(label)
            label_panel(row[0], f"{keys[0]}, {keys[1]} labels")
            for panel in row[len(shown) :]:
                panel.axis("off")
        legend(figure, sort_setups(named["setup"]), named["batch_size"].unique())
        return save(figure, out_stem)


def _quantities(part: pd.DataFrame, labeling: str) -> dict[str, str]:
    """Columns to draw for a dataset and their axis labels."""
    against = "" if labeling == FULL else f"\nagainst {labeling} labels"
    classes = {
        column: f"Validation DSC, {column.removeprefix('dsc_')}{against}"
        for column in part
        if str(column).startswith("dsc_")
    }
    return {
        column: label
        for column, label in {**LOSS_COLUMNS, **classes}.items()
        if column in part and part[column].notna().any()
    }


def _draw(panel: "Axes", part: pd.DataFrame, column: str, several: bool) -> None:
    for setup in sort_setups(part["setup"]):
        chosen = part[part["setup"] == setup].dropna(subset=column)
        seed = [name for name in ("seed",) if name in chosen]
        for (size, *_), line in chosen.groupby(["batch_size", "fold", *seed]):
            line = line.sort_values("step")
            # Solid if the study has one batch size: dashes would only make lines harder to read.
            dashes = line_style(size) if several else "-"
            style: dict[str, Any] = {"color": look(setup).colour, "linestyle": dashes}
            marker = "o" if len(line) == 1 else None  # a line of one point cannot be seen
            panel.plot(line["step"], line[column], lw=1, alpha=0.8, marker=marker, ms=4, **style)
    if column.startswith("dsc_"):
        panel.set_ylim(-0.03, 1.03)
    panel.margins(x=0.02)

"""A forecast as a picture: losses below each other, the push on a logarithmic axis."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dicegrad.advice.push import IGNORED, LEARNT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dicegrad.advice.forecast import Cell, Forecast

_MISSING, _EMPTY, _TEXT = "#e07a5f", "#2a6f97", "#263238"
_LOWEST = 1e-4


def draw(found: "Forecast", path: Path) -> None:
    """Write a figure; the ending of the path says which format.

    Args:
        found: The forecast.
        path: Such as forecast.png.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(cell.name for cell in found.cells))
    losses = list(dict.fromkeys(cell.loss for cell in found.cells))
    size = (3.2 + 3.1 * len(names), 1.6 + 0.33 * len(losses))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, sharex=True, squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        _draw_class(axes, name, [cell for cell in found.cells if cell.name == name], losses)
    panels[0].set_yticks(range(len(losses)), losses)
    panels[0].set_ylim(len(losses) - 0.5, -1.4)
    figure.supxlabel(
        "Push on a voxel predicted in such a map, by that on a false voxel of a filled one",
        fontsize=9,
    )
    handles = [panels[0].plot([], [], "o", color=c)[0] for c in (_MISSING, _EMPTY)]
    figure.legend(
        handles,
        ["missing maps", "empty maps"],
        loc="outside upper left",
        ncols=2,
        frameon=False,
    )
    figure.savefig(path, dpi=160)


def _draw_class(axes: "Axes", name: str, cells: Sequence["Cell"], losses: Sequence[str]) -> None:
    """The panel of one class: a row for each loss, a point for its missing and its empty maps."""
    for low, high, shade in (
        (_LOWEST, IGNORED, 0.0),
        (IGNORED, LEARNT, 0.05),
        (LEARNT, 9, 0.1),
    ):
        axes.axvspan(low, high, color="black", alpha=shade, linewidth=0)
    for cell in cells:
        y = losses.index(cell.loss)
        pairs = ((cell.missing_ratio, _MISSING, -0.12), (cell.empty_ratio, _EMPTY, 0.12))
        for ratio, colour, shift in pairs:
            if ratio is not None:
                at = max(ratio, _LOWEST)
                axes.plot([_LOWEST, at], [y + shift] * 2, color=colour, linewidth=1.2)
                axes.plot(at, y + shift, "o", color=colour, markersize=5)
    if all(cell.missing_ratio is None and cell.empty_ratio is None for cell in cells):
        place = axes.transAxes  # from 0 to 1
        axes.text(0.5, 0.5, "every map is filled", ha="center", color=_TEXT, transform=place)
    axes.set_xscale("log")
    axes.set_xlim(_LOWEST / 1.5, 9)
    axes.set_title(name, fontsize=10, color=_TEXT)
    for word, at in (("ignore", 1e-3), ("torn", 0.032), ("learn", 1.0)):
        axes.text(at, -0.9, word, ha="center", fontsize=8, color=_TEXT)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False, colors=_TEXT)

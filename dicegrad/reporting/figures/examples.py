"""Figure 3: one case per group, its training truth and each setup's outline."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dicegrad.reporting.figures.style import blank, save, theme
from dicegrad.reporting.figures.views import Example, View, view_case
from dicegrad.reporting.looks import look, sort_setups
from dicegrad.reporting.names import for_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Outline colours of the classes, bright enough for grey images (Okabe and Ito).
CLASS_COLOURS = ("#56B4E9", "#F0E442", "#E69F00", "#CC79A7", "#009E73")
SCALE_MM = (5, 10, 20, 50, 100)
WIDEST = 8  # panels side by side
LETTER_INCHES = 0.09  # of a bold letter of 9 points, about


def plot_examples(
    cases: Sequence[Example],
    class_values: Mapping[str, tuple[int, ...]],
    out_stem: Path | str,
    *,
    title: str = "",
) -> list[Path]:
    """Draw the slice through the centre of the missing class, one block of columns per group.

    Args:
        cases: One per group and batch size.
        class_values: For each class, the label values that belong to it in the files.
        out_stem: Path without suffix.
        title: Of the legend, e.g. the dataset.

    Returns:
        The PNG and the SVG. Columns of a block: training truth, then each setup's prediction
        (solid) with the full truth (thin, dashed). In the training truth a removed class is dotted.

    Raises:
        InputError: An image, truth and prediction are not on one grid.
    """
    if not cases:
        return blank("No examples: there is no prediction to show.", out_stem)
    groups = list(dict.fromkeys(case.group for case in cases))
    sizes = sorted({case.batch_size for case in cases})
    setups = sort_setups(setup for case in cases for setup in case.predictions)
    columns = len(setups) + 1
    colours = dict(zip(class_values, CLASS_COLOURS * len(class_values), strict=False))
    with theme():
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        # Side by side like the paper's while that is narrow enough for a page, else stacked.
        across = len(groups) if columns * len(groups) <= WIDEST else 1
        down = len(groups) // across
        width = 1.35 * columns * across + 0.2
        height = (1.4 * len(sizes) + 0.45) * down + 0.45
        layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.03, wspace=0.02, hspace=0.02)
        figure = Figure(figsize=(width, height), layout=layout)
        blocks = figure.subfigures(down, across, squeeze=False).flat
        for group, block in zip(groups, blocks, strict=True):
            here = [case for case in cases if case.group == group]
            gone = f", {', '.join(here[0].emptied)} missing" if here[0].emptied else ""
            title_of_block = f"{group} example: {here[0].case}{gone}"
            letters = int(1.35 * columns / LETTER_INCHES)
            lines = "\n".join(wrap(for_figure(title_of_block), letters))
            block.suptitle(lines, weight="bold", fontsize=9)
            axes = block.subplots(len(sizes), columns, squeeze=False)
            _name_panels(axes, setups, sizes)
            for case in here:
                _draw_case(axes[sizes.index(case.batch_size)], case, setups, class_values, colours)
        _legend(figure, colours, any(case.emptied for case in cases), title)
        return save(figure, out_stem)


def _name_panels(axes: npt.NDArray, setups: Sequence[str], sizes: Sequence[int]) -> None:
    """Column titles above the first row, the batch size beside each row if there are several."""
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
        for spine in panel.spines.values():
            spine.set_visible(False)
    for panel, name in zip(axes[0], ["Training truth", *setups], strict=True):
        panel.set_title(name if name == "Training truth" else look(name).text)
    if len(sizes) > 1:
        for panel, size in zip(axes[:, 0], sizes, strict=True):
            panel.set_ylabel(f"B = {size}")


def _draw_case(
    block: npt.NDArray,
    case: Example,
    setups: Sequence[str],
    class_values: Mapping[str, tuple[int, ...]],
    colours: Mapping[str, str],
) -> None:
    """One block of panels: training truth, then every setup."""
    view = view_case(case, class_values)
    truth = view.labels["truth"]
    for panel, name in zip(block, ["truth", *setups], strict=True):
        if name not in view.labels:
            panel.text(0.5, 0.5, "not\nrun", transform=panel.transAxes, ha="center", color="0.6")
            continue
        height, width = view.image.shape
        extent = (0, width * view.pixel_mm[1], height * view.pixel_mm[0], 0)
        panel.imshow(view.image, cmap="gray", extent=extent, interpolation="nearest")
        for class_name in _outer_first(view.labels[name], class_values):
            solid = np.isin(view.labels[name], class_values[class_name])
            gone = name == "truth" and class_name in case.emptied
            _outline(panel, solid, extent, colours[class_name], ":" if gone else "-", 1.2)
        if name != "truth":
            for values in class_values.values():
                _outline(panel, np.isin(truth, values), extent, "white", "--", 0.6)
    _mark(block[0], view)


def _outer_first(
    label: npt.NDArray[np.int64], class_values: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Classes by the area they enclose: the outline of a cavity is drawn over its wall's."""
    from scipy import ndimage

    enclosed = {
        name: int(ndimage.binary_fill_holes(np.isin(label, values)).sum())
        for name, values in class_values.items()
    }
    return sorted(enclosed, key=lambda name: -enclosed[name])


def _outline(
    panel: "Axes",
    mask: npt.NDArray[np.bool_],
    extent: tuple[float, float, float, float],
    colour: str,
    style: str,
    width: float,
) -> None:
    """Contour of a mask, drawn between voxel centres."""
    if not mask.any():
        return
    rows, columns = mask.shape
    x = (np.arange(columns) + 0.5) * extent[1] / columns
    y = (np.arange(rows) + 0.5) * extent[2] / rows
    from matplotlib.patheffects import withStroke

    lines = panel.contour(
        x, y, mask, [0.5], colors=[colour], linestyles=[style], linewidths=[width]
    )
    if colour != "white":  # a dark rim, without which the line is lost on a bright structure
        lines.set_path_effects([withStroke(linewidth=width + 0.8, foreground="#00000080")])


def _mark(panel: "Axes", view: View) -> None:
    """Scale bar and patient directions, on the first panel of a block."""
    from matplotlib.patheffects import withStroke

    height, width = view.image.shape
    wide, high = width * view.pixel_mm[1], height * view.pixel_mm[0]
    bar = max([size for size in SCALE_MM if size <= 0.4 * wide], default=SCALE_MM[0])
    left, low = 0.05 * wide, 0.94 * high
    panel.plot([left, left + bar], [low, low], color="white", linewidth=2, solid_capstyle="butt")
    shade = [withStroke(linewidth=1.5, foreground="black")]
    text: dict[str, Any] = {"color": "white", "fontsize": 6, "path_effects": shade}
    panel.text(left, low - 0.03 * high, f"{bar} mm", va="bottom", ha="left", **text)
    panel.text(0.02 * wide, high / 2, view.marks[0], va="center", ha="left", **text)
    panel.text(wide / 2, 0.02 * high, view.marks[1], va="top", ha="center", **text)


def _legend(figure: "Figure", colours: Mapping[str, str], emptied: bool, title: str) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=colour, label=for_figure(name)) for name, colour in colours.items()
    ]
    entries.append(Line2D([], [], color="0.6", linewidth=0.8, linestyle="--", label="full truth"))
    if emptied:
        entries.append(Line2D([], [], color="0.3", linestyle=":", label="removed for training"))
    figure.legend(
        handles=entries,
        loc="outside lower center",
        ncols=max(1, min(len(entries), int(figure.get_figwidth() / 1.1))),
        title=for_figure(title) or None,
    )

"""Figure 3: one case per group, its training truth and each setup's outline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dicegrad.data.checks import geometry_problem
from dicegrad.data.orientation import Turn
from dicegrad.data.volumes import read_channels, read_volume
from dicegrad.errors import InputError
from dicegrad.preprocessing.align import onto
from dicegrad.reporting.figures.style import blank, save, theme
from dicegrad.reporting.looks import look, sort_setups
from dicegrad.reporting.names import for_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

# Outline colours of the classes, bright enough for grey images (Okabe and Ito).
CLASS_COLOURS = ("#56B4E9", "#F0E442", "#E69F00", "#CC79A7", "#009E73")
MARGIN_MM = 25.0
SCALE_MM = (5, 10, 20, 50, 100)
WIDEST = 8  # panels side by side
LETTER_INCHES = 0.09  # of a bold letter of 9 points, about


@dataclass(frozen=True)
class Example:
    """One case to show.

    Attributes:
        case: Its name.
        group: Its group.
        image: NIfTI image (X, Y, Z) to draw below the outlines.
        truth: NIfTI truth with all labels, on the same grid.
        predictions: Setup -> NIfTI prediction on the same grid.
        emptied: Classes that were empty maps in its training truth.
        batch_size: Of the experiments; each gets a row.
        channels: How many the file of the image holds; the first is drawn.
        align: Whether a truth that lies elsewhere is resampled to the image.
    """

    case: str
    group: str
    image: Path
    truth: Path
    predictions: Mapping[str, Path]
    emptied: tuple[str, ...] = ()
    batch_size: int = 2
    channels: int = 1
    align: bool = False


@dataclass(frozen=True)
class View:
    """A slice through a case: arrays as `imshow` takes them, with patient marks at its edges."""

    image: Array
    labels: Mapping[str, npt.NDArray[np.int64]]
    pixel_mm: tuple[float, float]
    marks: tuple[str, str] = field(default=("", ""))


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


def view_case(case: Example, class_values: Mapping[str, tuple[int, ...]]) -> View:
    """Cut the slice to show out of a case.

    Args:
        case: What to show.
        class_values: For each class, its label values.

    Returns:
        The slice perpendicular to the axis with the largest voxels (the last one if equal), at the
        centre of mass of the emptied classes, or of all classes if none is or it has no voxel,
        moved to the nearest slice that holds them; cropped to the structures plus 25 mm. Patient
        right is on the left and anterior (or superior) on top, as radiologists look at it.

    Raises:
        InputError: The files are not on one grid.
    """
    reference = read_channels([case.image] * case.channels)[0]
    turn = Turn.to_ras(reference.grid)
    image = turn.voxels(reference.voxels.astype(float))
    labels = {}
    for name, path in {"truth": case.truth, **case.predictions}.items():
        volume = read_volume(path)
        if case.align and path == case.truth:
            volume = onto(path, volume, reference.header)
        problem = geometry_problem(case.image, reference.header, path, volume.header)
        if problem:
            raise InputError(problem)
        # The image's axes for all, so that what belongs together is turned together.
        labels[name] = turn.voxels(volume.voxels)
    spacing = np.array(turn.grid(reference.grid).spacing)
    through = 2 - int(np.argmax(np.round(spacing[::-1], 3)))
    every = sum(class_values.values(), ())
    wanted = sum((class_values[name] for name in case.emptied), ()) or every
    truth = labels["truth"]
    index = _slice_index(
        np.isin(truth, wanted) if np.isin(truth, wanted).any() else truth > 0, through
    )
    inside = np.any([np.isin(label, every) for label in labels.values()], axis=0)
    across = [axis for axis in range(3) if axis != through]
    window = _window(inside, across, spacing)

    def cut(volume: npt.NDArray) -> npt.NDArray:
        """(horizontal, vertical) of the patient to the rows and columns of a picture."""
        plane = np.take(volume, index, axis=through)[window]
        return plane.T[::-1, :: -1 if across[0] == 0 else 1]

    marks = ("R" if across[0] == 0 else "P", "A" if across[1] == 1 else "S")
    pixel = (float(spacing[across[1]]), float(spacing[across[0]]))
    return View(_grey(cut(image)), {k: cut(v) for k, v in labels.items()}, pixel, marks)


def _slice_index(mask: npt.NDArray[np.bool_], through: int) -> int:
    """The slice that holds the mask and is nearest to its centre of mass; the middle if empty."""
    area = mask.sum(axis=tuple(axis for axis in range(3) if axis != through))
    held = np.flatnonzero(area)
    if held.size == 0:
        return mask.shape[through] // 2
    centre = (area * np.arange(area.size)).sum() / area.sum()
    return int(held[np.argmin(np.abs(held - centre))])


def _window(
    inside: npt.NDArray[np.bool_], across: Sequence[int], spacing: Array
) -> tuple[slice, ...]:
    """In-plane box around the structures with a margin, as square as the image allows."""
    if not inside.any():
        return (slice(None), slice(None))
    spans = []
    for axis in across:
        held = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        spans.append((held[0] * spacing[axis], (held[-1] + 1) * spacing[axis]))
    side = max(high - low for low, high in spans) + 2 * MARGIN_MM
    window = []
    for axis, (low, high) in zip(across, spans, strict=True):
        start = (low + high - side) / 2 / spacing[axis]
        stop = (low + high + side) / 2 / spacing[axis]
        window.append(slice(max(0, round(start)), min(inside.shape[axis], round(stop))))
    return tuple(window)


def _grey(plane: Array) -> Array:
    """Intensities stretched to [0, 1] between the 1st and 99th percentile."""
    low, high = np.percentile(plane, [1, 99])
    return np.clip((plane - low) / max(high - low, 1e-12), 0, 1)

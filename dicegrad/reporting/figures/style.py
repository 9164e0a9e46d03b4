"""What all figures share: fonts, saving, legends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

from dicegrad.reporting.looks import line_style, look
from dicegrad.reporting.names import for_figure

DPI = 200
SHADE = "#F6D99A"  # where theory expects something, at 60 % opacity
_SETTINGS: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "0.8",
    "axes.grid": True,
    "axes.labelcolor": "0.15",
    "axes.labelsize": 8.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "figure.titlesize": 10,
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans"],
    "font.size": 8.5,
    "grid.color": "0.8",
    "grid.linewidth": 0.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    "mathtext.default": "regular",
    "patch.edgecolor": "white",
    "patch.force_edgecolor": True,
    "svg.fonttype": "path",  # looks the same on a machine without our fonts
    "svg.hashsalt": "dicegrad",  # the same figure gives the same file
    "text.color": "0.15",
    "xtick.bottom": False,
    "xtick.color": "0.15",
    "xtick.labelsize": 8,
    "ytick.color": "0.15",
    "ytick.labelsize": 8,
    "ytick.left": False,
}


def stacked(name: str) -> str:
    """A name of a setup on several lines, so that neighbours on an axis do not overlap.

    Example:
        >>> stacked("BI + CE, ignored")
        'BI\\n+ CE,\\nignored'
    """
    return name.replace(" + ", "\n+ ").replace(", ", ",\n")


@contextmanager
def theme() -> Iterator[None]:
    """Draw in the project's style. Figures are made without pyplot, so no display is needed."""
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS):
        yield


def panels(
    rows: int,
    columns: int,
    size: tuple[float, float],
    *,
    extra_height: float = 0.0,
    sharey: bool = False,
    foot: float = 0.0,
) -> tuple["Figure", np.ndarray]:
    """Make a figure of rows x columns axes.

    Args:
        rows: Of axes.
        columns: Of axes.
        size: Width and height of each, inches.
        extra_height: For the legend, inches.
        sharey: Whether all share one y axis.
        foot: Height of a further, last row without axes lines (for keys and notes), inches.

    Returns:
        The figure and its axes, always as a 2-D array.
    """
    from matplotlib.figure import Figure

    figsize = (columns * size[0], rows * size[1] + extra_height + foot)
    figure = Figure(figsize=figsize, layout="constrained")
    heights = [size[1]] * rows + [foot] * (foot > 0)
    axes = figure.subplots(
        len(heights), columns, squeeze=False, sharey=sharey, height_ratios=heights
    )
    for panel in axes[rows:].flat:
        panel.set_axis_off()
    return figure, axes


def save(figure: "Figure", out_stem: Path | str) -> list[Path]:
    """Write `out_stem`.png and .svg, the same bytes for the same figure.

    Args:
        figure: What to write.
        out_stem: Path without suffix (a dot in its name is kept); its folder is made.

    Returns:
        Both paths.
    """
    stem = Path(out_stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    png, svg = (stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg"))
    figure.savefig(png, dpi=DPI, metadata={"Software": None})
    figure.savefig(svg, metadata={"Date": None})
    return [png, svg]


def blank(message: str, out_stem: Path | str) -> list[Path]:
    """Write a figure that says why there is nothing to draw."""
    with theme():
        figure, axes = panels(1, 1, (4.5, 1.2))
        axes[0, 0].axis("off")
        axes[0, 0].text(0.5, 0.5, for_figure(message), ha="center", va="center", wrap=True)
        return save(figure, out_stem)


def legend(
    figure: "Figure",
    setups: Sequence[str],
    batch_sizes: Sequence[int] = (),
    *,
    lines: bool = True,
    extra: Sequence[tuple[Any, str]] = (),
) -> None:
    """One legend above the panels: colours and markers of setups, line styles of batch sizes.

    Args:
        figure: Drawn with the constrained layout, which makes room.
        setups: To explain.
        batch_sizes: To explain; a single one is left out.
        lines: Whether setups are drawn as lines (else as markers).
        extra: Further (handle, label) pairs.
    """
    from matplotlib.lines import Line2D

    entries: list[tuple[Any, str]] = []
    for setup in setups:
        seen = look(setup)
        style: dict[str, Any] = {
            "color": seen.colour,
            "linestyle": "-" if lines else "none",
            "markersize": 5,
        }
        entries.append((Line2D([], [], marker="" if lines else seen.marker, **style), seen.text))
    if len(set(batch_sizes)) > 1:
        for size in sorted(set(batch_sizes)):
            handle = Line2D([], [], color="0.2", linestyle=line_style(size))
            entries.append((handle, f"B = {size}"))
    entries += list(extra)
    if entries:
        handles, labels = zip(*entries, strict=True)
        widest = 0.5 + 0.065 * max(map(len, labels))  # inches, for 8 pt letters
        columns = max(1, min(len(entries), int(figure.get_figwidth() / widest)))
        figure.legend(handles, labels, loc="outside upper center", ncols=columns)


def subject_of(dataset: str, class_name: str) -> str:
    """Title of a panel, `heart MYO`; only one of the two if they have the same name."""
    return dataset if dataset == class_name else f"{dataset} {class_name}"


def label_panel(axes: "Axes", title: str) -> None:
    """Title of one panel, left-aligned and clear of the data."""
    axes.set_title("\n".join(map(for_figure, title.split("\n"))), loc="left")

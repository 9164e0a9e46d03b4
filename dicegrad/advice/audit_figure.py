"""An audit as a picture: counts beside volumes, class by class and group by group."""

from pathlib import Path
from typing import TYPE_CHECKING

from dicegrad.advice.audit_types import Counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dicegrad.advice.audit import Audit

FILLED, EMPTY, MISSING, TEXT = "#2a6f97", "#cfd8dc", "#e07a5f", "#263238"


def draw(found: "Audit", path: Path) -> None:
    """Write a figure; the ending of the path says which format.

    Args:
        found: The audit.
        path: Such as audit.png.
    """
    from matplotlib.figure import Figure

    rows: list[tuple[str, str | None, Counts]] = []
    for name, counts in found.classes.items():
        rows.append((name, None, counts))
        rows += [(name, group, found.groups[group][name]) for group in found.groups]
    figure = Figure(figsize=(9.5, 1.5 + 0.42 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2), sharey=True)
    flagged = {(flag.name, flag.group) for flag in found.flags}
    ticks = []
    for y, (name, group, counts) in enumerate(rows):
        _bar(left, y, counts)
        _volumes(right, y, found, name, group)
        label = name if group is None else f"{group}"
        ticks.append(label + ("  ⚑" if (name, group) in flagged else ""))
    left.set_yticks(range(len(rows)), ticks)
    for tick, (name, group, _) in zip(left.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if group is None else "normal")
        tick.set_color(MISSING if (name, group) in flagged else TEXT)
    left.invert_yaxis()
    left.set_xlabel("cases")
    right.set_xlabel("volume of filled maps (ml)")
    if any(each.voxels > 0 for each in found.maps):
        right.set_xscale("log")
    for axes in (left, right):
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(left=False, colors=TEXT)
    handles = [left.barh(0, 0, color=c) for c in (FILLED, EMPTY, MISSING)]
    figure.legend(
        handles,
        ["filled", "empty", "not annotated"],
        loc="outside upper left",
        ncols=3,
        frameon=False,
    )
    figure.savefig(path, dpi=160)


def _bar(axes: "Axes", y: int, counts: Counts) -> None:
    start = 0
    parts = [
        (counts.filled, FILLED, "white"),
        (counts.empty, EMPTY, TEXT),
        (counts.not_annotated, MISSING, "white"),
    ]
    total = sum(count for count, _, _ in parts)
    for count, colour, ink in parts:
        axes.barh(y, count, left=start, color=colour, height=0.72)
        if count > 0.06 * total:
            axes.text(
                start + count / 2, y, f"{count:,}", ha="center", va="center", color=ink, fontsize=9
            )
        start += count


def _volumes(axes: "Axes", y: int, found: "Audit", name: str, group: str | None) -> None:
    ml = [
        each.ml
        for each in found.maps
        if each.name == name and each.annotated and each.voxels and group in (None, each.group)
    ]
    if not ml:
        return
    # A fixed, even scatter across the row: a figure drawn twice is the same figure.
    shift = [((i * 0.618034) % 1 - 0.5) * 0.5 for i in range(len(ml))]
    axes.scatter(ml, [y + s for s in shift], s=7, color=FILLED, alpha=0.4, linewidths=0)
    middle = sorted(ml)[len(ml) // 2]
    axes.plot([middle, middle], [y - 0.33, y + 0.33], color=TEXT, linewidth=2)

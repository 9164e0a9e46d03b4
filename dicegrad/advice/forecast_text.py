"""A forecast in words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dicegrad.advice.audit_types import Counts

if TYPE_CHECKING:
    from dicegrad.advice.forecast import Cell, Forecast

_LIMIT = (
    "learn: where training ends if the images show which maps are missing, say by site; of maps "
    "missing at random up to a half, a network keeps most, unless epsilon is as large as the "
    "structure."
)
_HEADER = ("class", "loss", "missing maps", "push", "empty maps", "push")


def describe(found: "Forecast") -> str:
    """A table, and the recommendation for each class."""
    rows = [_HEADER]
    cells = [cell for cell in found.cells if cell.missing or cell.empty]
    for i, cell in enumerate(cells):
        first = i == 0 or cells[i - 1].name != cell.name
        rows.append(
            (
                cell.name if first else "",
                cell.loss,
                cell.missing or "-",
                percent(cell.missing_ratio),
                cell.empty or "-",
                percent(cell.empty_ratio),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    title = (
        f"batches of {found.batch_size}, {found.voxels:,.0f} voxels each; push: on a voxel that is "
        "predicted in such a map, by that on a false voxel of a filled map"
    )
    told = [f"{name}: {text}" for name, text in found.recommendation.items()]
    table = [title, "", *(line.rstrip() for line in lines), ""] if cells else []
    if any(cell.missing == "learn" for cell in cells):
        told.append(_LIMIT)
    return "\n".join([*table, *told])


def percent(ratio: float | None) -> str:
    """Such as 31 %."""
    if ratio is None:
        return "-"
    return f"{100 * ratio:.2g} %" if 1e-5 <= ratio < 0.1 else f"{100 * ratio:.0f} %"


def recommend(name: str, counts: Counts, suspected: int, cells: Sequence["Cell"]) -> str:
    """Two sentences: which loss, and why.

    Args:
        name: The class.
        counts: Of its maps.
        suspected: Empty maps that may be missing ones.
        cells: The forecast for the class.
    """
    missing, empty = counts.not_annotated, counts.empty - suspected
    are, them = ("is", "it") if empty == 1 else ("are", "them")
    learns = {cell.loss for cell in cells if "learn" in (cell.missing, cell.empty)}
    if missing:
        have = "has" if missing == 1 else "have"
        also = f", while the {_maps(empty, 'empty')} {are} learnt" if empty else ""
        return (
            f"Tell the loss what is annotated (annotated.tsv, unannotated: ignored) and take Dice "
            f"BI + cross-entropy. The {_maps(missing, 'missing')} of {name} then {have} no gradient"
            f"{also}; without the table {len(learns)} of {len(cells)} losses here would learn them "
            "as background."
        )
    if suspected:
        return (
            f"Look at the {_maps(suspected, 'empty')} that audit flags before training, and list "
            f"in annotated.tsv what was not drawn. If you cannot, take Dice I with epsilon 1e-7, "
            f"which is blind to a map without a true voxel, and so learns from none of them, "
            "truly empty ones included."
        )
    if empty:
        return (
            f"Take Dice BI + cross-entropy: the {_maps(empty, 'empty')} of {name} {are} annotated, "
            f"and that loss learns from {them} that {name} may be absent. Dice I alone would "
            f"ignore {them}, so that nothing pushes false predictions away there."
        )
    return (
        f"Take any of these losses, say Dice I + cross-entropy. Every map of {name} is filled, so "
        "they do not differ in what is forecast here."
    )


def _maps(count: int, kind: str) -> str:
    return f"{count} {kind} map{'' if count == 1 else 's'}"

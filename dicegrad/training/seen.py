"""What the training images of a network were like, to compare a new image with them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dicegrad.data.geometry import Grid
from dicegrad.data.orientation import Turn
from dicegrad.errors import InputError
from dicegrad.files import read_text


@dataclass(frozen=True)
class Seen:
    """Of the training images of a network.

    Attributes:
        axes: The direction of a grid (see `data.geometry.Grid`) for each way in which their axes
            run, the commonest first. Axes less than half a right angle apart run the same way.
        outside: The largest share of one of them that lay outside of the network's grid.
        unplaced: Whether one of them said nothing of place, so that its axes are made up; None
            where an earlier version wrote the weights.
    """

    axes: tuple[tuple[float, ...], ...]
    outside: float
    unplaced: bool | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Seen":
        """Read what `to_dict` gave."""
        axes = tuple(map(tuple, values["axes"]))
        return cls(axes, float(values["outside"]), values.get("unplaced"))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def seen_in(arrays: Path, cases: Sequence[str]) -> Seen | None:
    """What `prepared.json`, which was written with some arrays, says of their cases.

    Args:
        arrays: One of the files of arrays.
        cases: Those that a network is trained on.

    Returns:
        None where there is no such file: the arrays may have been made by other means.

    Raises:
        InputError: It is damaged.
    """
    path = arrays.with_name("prepared.json")
    if not path.is_file():
        return None
    try:
        about = json.loads(read_text(path))["cases"]
        chosen = [about[case] for case in cases if case in about]
        grids = [Grid.from_json(each["grid"]) for each in chosen]
        originals = [Grid.from_json(each["original"]["grid"]) for each in chosen]
        unplaced = not all(each["original"]["placed"] for each in chosen)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: is damaged; delete it to prepare the cases again") from error
    if not grids:
        return None
    outside = (share_outside(*pair) for pair in zip(originals, grids, strict=True))
    return Seen(_ways(grids), max(outside), unplaced)


def _ways(grids: Sequence[Grid]) -> tuple[tuple[float, ...], ...]:
    """The direction of one grid for each way in which their axes run, the commonest first."""
    counts: dict[Grid, int] = {}
    for grid in grids:
        alike = (each for each in counts if Turn.between(grid, each).is_none)
        first = next(alike, grid)
        counts[first] = counts.get(first, 0) + 1
    return tuple(grid.direction for grid in sorted(counts, key=lambda each: -counts[each]))


def share_outside(original: Grid, grid: Grid) -> float:
    """The share of an image's volume that a network's grid does not reach, 0 to 1.

    Args:
        original: Of the image.
        grid: Of the network; its axes may be those of the image in another order, or reversed.
    """
    inside, original = 1.0, Turn.between(original, grid).grid(original)
    steps = (new / old for new, old in zip(grid.spacing, original.spacing, strict=True))
    axes = zip(original.positions(grid), original.size, steps, strict=True)
    for positions, length, step in axes:
        low, high = positions[0] - step / 2, positions[-1] + step / 2
        reached = min(high, length - 0.5) - max(low, -0.5)
        inside *= max(reached, 0.0) / length
    return max(1.0 - float(inside), 0.0)  # plain, since it goes into weights

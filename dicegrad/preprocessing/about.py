"""What later stages need to know of prepared cases; lies beside the arrays as prepared.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dicegrad.data.geometry import Grid
from dicegrad.data.volumes import Header
from dicegrad.errors import InputError
from dicegrad.files import read_text
from dicegrad.whole import whole_file


@dataclass(frozen=True)
class About:
    """What later stages need to know of prepared cases, so that they read no original file.

    Attributes:
        channels: Names of the image channels, in order.
        classes: Names of the classes, in network order.
        class_values: The dataset's own label values of each class; the first is written.
        ignore: The label value of voxels of which no label is known, if there is one.
        grids: Case -> its grid on the network.
        originals: Case -> the header of its first image.
        align: Whether a label map that lies elsewhere was resampled to its image; whoever reads the
            truth has to do the same.
    """

    channels: tuple[str, ...]
    classes: tuple[str, ...]
    class_values: Mapping[str, tuple[int, ...]]
    ignore: int | None
    grids: Mapping[str, Grid]
    originals: Mapping[str, Header]
    align: bool = False


def write_about(path: Path, about: About) -> None:
    """Write `prepared.json`, which lies beside the arrays."""
    content = {
        "channels": about.channels,
        "classes": about.classes,
        "class_values": about.class_values,
        "ignore": about.ignore,
        "align": about.align,
        "cases": {
            case: {"grid": grid.to_json(), "original": about.originals[case].to_json()}
            for case, grid in about.grids.items()
        },
    }
    with whole_file(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())


def read_about(path: Path) -> About:
    """Read what `write_about` wrote.

    Raises:
        InputError: The file is missing or damaged.
    """
    try:
        content = json.loads(read_text(path))
        cases = content["cases"]
        return About(
            tuple(content["channels"]),
            tuple(content["classes"]),
            {name: tuple(values) for name, values in content["class_values"].items()},
            content["ignore"],
            {case: Grid.from_json(grids["grid"]) for case, grids in cases.items()},
            {case: Header.from_json(grids["original"]) for case, grids in cases.items()},
            content.get("align", False),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: is damaged ({type(error).__name__}); delete it to prepare the cases again"
        ) from error

"""The sheet of suspects: image and predicted outline of the slice that shows most."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dicegrad.advice.suspects import Suspects

_COLUMNS = 4


def draw(found: "Suspects", path: Path) -> None:
    """Write a figure; the ending of the path says which format.

    Args:
        found: The suspects.
        path: Such as suspects.png.
    """
    from matplotlib.figure import Figure

    count = len(found.pictures)
    rows = -(-count // _COLUMNS)
    figure = Figure(figsize=(2.6 * _COLUMNS, 3.1 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    for rank, (axes, suspect, (image, mask)) in enumerate(
        zip(panels.flat, found.suspects, found.pictures, strict=False), start=1
    ):
        low, high = np.percentile(image, (1, 99))
        axes.imshow(image.T, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), origin="lower")
        if mask.any():
            axes.contour(mask.T, levels=[0.5], colors="#D55E00", linewidths=1.5)
        axes.set_title(
            f"{rank}. {suspect.case}\n{suspect.name}, plausibility {suspect.plausibility:.2f}",
            fontsize=8,
        )
    figure.savefig(path, dpi=130)

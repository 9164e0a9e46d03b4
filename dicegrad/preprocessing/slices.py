"""Whether a labeling that leaves slices out can do so on the network's grid."""

from collections.abc import Iterable, Sequence

import numpy as np

from dicegrad.data.adapter import Case
from dicegrad.data.geometry import Grid
from dicegrad.data.orientation import Turn
from dicegrad.errors import InputError
from dicegrad.preprocessing.grids import SAME_SPACING
from dicegrad.preprocessing.labeling import slice_steps
from dicegrad.study.labeling import Labeling


def slice_distances(originals: Iterable[Grid], grids: Iterable[Grid]) -> np.ndarray:
    """How far slices are apart along z of the network's grid.

    Args:
        originals: Of the images of N cases.
        grids: Of these cases on the network.

    Returns:
        (N, 2) mm, in the image and on the grid.
    """
    pairs = zip(originals, grids, strict=True)
    return np.array(
        [
            (Turn.between(image, grid).grid(image).spacing[2], grid.spacing[2])
            for image, grid in pairs
        ]
    )


def check_slices(
    dataset: str, cases: Sequence[Case], labeling: Labeling, distances: np.ndarray
) -> None:
    """See that no slice which a labeling leaves out lies between two slices of an image.

    Slices are counted on the network's grid. Where that is finer, the slices that nobody is to have
    drawn are made from the same ones of the image as those that stay, and either all of them or
    none would be seen.

    Args:
        dataset: Its name, for messages.
        cases: All N cases.
        labeling: Its slices are looked at.
        distances: (N, 2) mm, from `slice_distances`.

    Raises:
        InputError: The grid is finer than the slices of a case that loses some.
    """
    concerned = np.array([bool(steps) for steps in slice_steps(cases, labeling)])
    image_mm, grid_mm = distances.T
    finer = concerned & (grid_mm < image_mm * (1 - SAME_SPACING))
    if finer.any():
        first = int(np.argmax(finer))
        raise InputError(
            f"dataset {dataset}: labeling {labeling.name} leaves out slices of the grid, which are "
            f"{grid_mm[first]:g} mm apart, and those of case {cases[first].case} are "
            f"{image_mm[first]:g} mm apart; set the z of preprocessing.spacing to native, or to "
            f"{image_mm[finer].max():g} mm or more"
        )

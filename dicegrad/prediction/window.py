"""An image that is larger than the networks' grid: the grid is moved over it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from dicegrad.data.adapter import Case
from dicegrad.data.cases import check_originals
from dicegrad.data.volumes import read_channels
from dicegrad.errors import InputError
from dicegrad.prediction.inference import WayBack, mean_probabilities
from dicegrad.preprocessing.prepare import prepare_images
from dicegrad.preprocessing.settings import Preprocessing

OVERLAP = 0.5  # of two windows beside each other, as nnU-Net has it


def sliding_probabilities(
    networks: Sequence[nn.Module], image: np.ndarray, size: Sequence[int]
) -> np.ndarray:
    """Class probabilities of a prepared image, of whatever size.

    Windows overlap by half, and where they do, their probabilities are averaged with Gaussian
    weights, since a network knows least at the border of its window (MONAI's
    `sliding_window_inference`).

    Args:
        networks: At least one; see `mean_probabilities`.
        image: (C, X, Y, Z), along each axis at least as large as a window.
        size: Voxels of a window along (x, y, z).

    Returns:
        (K + 1, X, Y, Z) float32, background first.

    Raises:
        InputError: MONAI is not installed, or the memory of a GPU is full.
    """
    if tuple(image.shape[1:]) == tuple(size):
        return mean_probabilities(networks, image)
    try:
        from monai.inferers import sliding_window_inference
    except ImportError as error:
        raise InputError(
            "a sliding window needs the package monai; pip install monai, or take the window `grid`"
        ) from error

    def predict(windows: torch.Tensor) -> torch.Tensor:
        found = [mean_probabilities(networks, window.numpy()) for window in windows]
        return torch.from_numpy(np.stack(found))

    volume = torch.from_numpy(np.ascontiguousarray(image))[None].float()
    shares = sliding_window_inference(volume, size, 1, predict, OVERLAP, "gaussian")
    return np.asarray(shares[0].numpy(), np.float32)


def slide_over_cases(
    network: nn.Module,
    cases: Sequence[Case],
    settings: Preprocessing,
    way_back: WayBack,
    report: Callable[[str], None] = lambda case: None,
) -> list[dict[str, str | float]]:
    """Segment whole cases of a dataset, read from their original images.

    Args:
        network: In evaluation mode.
        cases: To segment.
        settings: Of the dataset. Where its grid lies in an image is of no matter, unless the mean
            of the intensities is that of the grid.
        way_back: Writes the label maps.
        report: Takes the name of each case that is done.

    Returns:
        The rows of `WayBack.write`.

    Raises:
        InputError: An image cannot be read, or has changed since it was found; see also
            `sliding_probabilities`.
    """
    known = settings.normalisation.of_grid
    if settings.crop == "label" and not known:
        settings = replace(settings, crop="center")
    rows: list[dict[str, str | float]] = []
    for case in cases:
        check_originals(case)
        own = way_back.about.grids[case.case] if known else None
        prepared = prepare_images(read_channels(case.images), settings, whole=True, own=own)
        shares = sliding_probabilities([network], prepared.image, settings.size)
        rows += way_back.write(case.case, shares, prepared.grid)
        report(case.case)
    return rows

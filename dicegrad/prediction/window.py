"""An image that is larger than the networks' grid: the grid is moved over it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from dicegrad.errors import InputError
from dicegrad.prediction.inference import mean_probabilities

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
            "--window slide needs the package monai; pip install monai, or leave it out"
        ) from error

    def predict(windows: torch.Tensor) -> torch.Tensor:
        found = [mean_probabilities(networks, window.numpy()) for window in windows]
        return torch.from_numpy(np.stack(found))

    volume = torch.from_numpy(np.ascontiguousarray(image))[None].float()
    shares = sliding_window_inference(volume, size, 1, predict, OVERLAP, "gaussian")
    return np.asarray(shares[0].numpy(), np.float32)

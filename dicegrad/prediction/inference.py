"""From a trained network and a prepared image to probabilities, and on to a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dicegrad.data.adapter import Case
from dicegrad.data.volumes import read_header
from dicegrad.errors import InputError, first_line
from dicegrad.prediction.restoration import (
    restore,
    soft_volumes,
    write_prediction,
)
from dicegrad.preprocessing.grids import Grid
from dicegrad.training.network import NetworkSettings, UNet
from dicegrad.training.numerics import memory_format, numerics
from dicegrad.training.settings import TrainingSettings

# Whatever a training computed in; and on one device the same bits each time.
_FLOAT32 = TrainingSettings(precision="float32", deterministic=True)
_IF_FULL = "let less share the GPU, or predict on the CPU"


def load_network(settings: NetworkSettings, weights: Path, device: str = "cpu") -> UNet:
    """A trained network, ready to predict.

    Args:
        settings: The network it was trained as.
        weights: `weights.pt` of a training.
        device: Where to run it.

    Raises:
        InputError: The file is not readable, or holds the weights of another network.
    """
    network = UNet(settings)
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        reason = first_line(error).rstrip(":")
        raise InputError(
            f"{weights}: no weights of this network ({reason}); train it, or name the dataset that "
            "it was trained with"
        ) from error
    order = memory_format(settings.norm, torch.device(device))
    network.memory_format = order
    return network.to(device, memory_format=order).eval()


def probabilities(network: nn.Module, image: np.ndarray) -> np.ndarray:
    """Class probabilities of one prepared image, computed in float32.

    Args:
        network: In evaluation mode.
        image: (C, X, Y, Z).

    Returns:
        (K + 1, X, Y, Z) float32, background first. A single sigmoid map p becomes (1 - p, p).

    Raises:
        InputError: The memory of a GPU is full.
    """
    device = next(network.parameters()).device
    with torch.inference_mode(), numerics(_FLOAT32, device, _IF_FULL):
        logits = network(torch.as_tensor(np.array(image), device=device).float()[None])[0]
        if len(logits) == 1:
            foreground = logits.sigmoid()
            return torch.cat([1 - foreground, foreground]).cpu().numpy()
        return logits.softmax(dim=0).cpu().numpy()


def mean_probabilities(networks: Sequence[nn.Module], image: np.ndarray) -> np.ndarray:
    """Class probabilities of one prepared image, averaged over networks.

    Args:
        networks: At least one, such as those of several folds.
        image: (C, X, Y, Z).

    Returns:
        (K + 1, X, Y, Z) float32; of a single network, exactly its `probabilities`.
    """
    total = probabilities(networks[0], image)
    for network in networks[1:]:
        total += probabilities(network, image)
    return total / np.float32(len(networks))


def predict_case(
    network: nn.Module,
    case: Case,
    image: np.ndarray,
    grid: Grid,
    classes: Sequence[str],
    class_values: Mapping[str, Sequence[int]],
    restoration: str,
    path: Path,
) -> dict[str, float]:
    """Segment one case and write the label map on the case's original grid.

    Args:
        network: In evaluation mode.
        case: Its first image gives the original grid.
        image: (C, X, Y, Z) prepared.
        grid: The network's grid of this case.
        classes: In network order.
        class_values: The dataset's own label values of each class.
        restoration: `linear` or `nearest`; see `restore`.
        path: NIfTI file to write.

    Returns:
        The soft volume of each class in ml; see `soft_volumes`.
    """
    header = read_header(case.images[0])
    original = header.grid
    prediction = probabilities(network, image)
    label = restore(prediction, grid, original, restoration)
    write_prediction(path, label, classes, class_values, header)
    volumes = soft_volumes(prediction, grid, original, restoration)
    return dict(zip(classes, volumes.tolist(), strict=True))

"""From a trained network and a prepared image to probabilities, and on to a file."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dicegrad.data.geometry import Grid
from dicegrad.errors import InputError, first_line
from dicegrad.prediction.restoration import restore, soft_volumes, write_prediction
from dicegrad.preprocessing.about import About
from dicegrad.training.checkpoint import Weights, load_weights
from dicegrad.training.network import NetworkSettings, UNet
from dicegrad.training.numerics import memory_format, numerics
from dicegrad.training.settings import TrainingSettings
from dicegrad.training.trained import Source, check_same, differing

# Whatever the precision of the training run; and on one device the same bits each time.
_FLOAT32 = TrainingSettings(precision="float32", deterministic=True)
_IF_FULL = "let fewer processes share the GPU, or predict on the CPU"
_REMEDY = "train it, or name the dataset that it was trained with"


def load_network(settings: NetworkSettings, weights: Path, device: str = "cpu") -> UNet:
    """A trained network, ready to predict.

    Args:
        settings: The network it was trained as.
        weights: `weights.pt` of a training run.
        device: Where to run it.

    Raises:
        InputError: The file is not readable, or holds the weights of another network.
    """
    return build_network(settings, load_weights(weights), device)


def build_network(settings: NetworkSettings, weights: Weights, device: str = "cpu") -> UNet:
    """As `load_network`, of weights that were read."""
    if weights.trained:
        differences = differing(weights.trained.network, asdict(settings), "network.")
        check_same(weights.path, "the dataset", differences, _REMEDY)
    network = UNet(settings)
    try:
        network.load_state_dict(weights.state)
    except RuntimeError as error:
        reason = first_line(error).rstrip(":")
        raise InputError(
            f"{weights.path}: no weights of this network ({reason}); {_REMEDY}"
        ) from error
    order = memory_format(settings.norm, torch.device(device))
    network.memory_format = order
    network.to(device, memory_format=order)  # type: ignore[call-overload]
    return network.eval()


def check_prepared(weights: Weights, about: About, where: Path) -> None:
    """See that weights were trained on data like these, where they say on what.

    Args:
        weights: Of a training run.
        about: The prepared dataset.
        where: Its file, for the message.

    Raises:
        InputError: They were trained with other channels, classes or label values.
    """
    if weights.trained and (source := weights.trained.source):
        here = Source(
            tuple(about.channels), about.classes, about.class_values, source.preprocessing
        )
        check_same(weights.path, where, source.differences(here), "delete them to train again")


def probabilities(network: nn.Module, image: np.ndarray) -> np.ndarray:
    """Class probabilities of one prepared image, computed in float32.

    Args:
        network: In evaluation mode.
        image: (C, X, Y, Z).

    Returns:
        (K + 1, X, Y, Z) float32, background first. A single sigmoid map p becomes (1 - p, p); of
        overlapping classes, background is what the most probable one leaves.

    Raises:
        InputError: The memory of a GPU is full.
    """
    device = next(network.parameters()).device
    with torch.inference_mode(), numerics(_FLOAT32, device, _IF_FULL):
        logits = network(torch.as_tensor(np.array(image), device=device).float()[None])[0]
        if len(logits) == 1 or overlapping(network):
            foreground = logits.sigmoid()
            background = 1 - foreground.amax(dim=0, keepdim=True)
            return torch.cat([background, foreground]).cpu().numpy()
        return logits.softmax(dim=0).cpu().numpy()


def overlapping(network: nn.Module) -> bool:
    """Whether a voxel may be of several of a network's classes."""
    return isinstance(network, UNet) and bool(network.settings.overlapping)


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


def predict_cases(
    network: nn.Module,
    cases: Sequence[str],
    images: Sequence[np.ndarray],
    about: About,
    restoration: str,
    folder: Path,
    report: Callable[[str], None] = lambda case: None,
    soft: bool = False,
) -> list[dict[str, str | float]]:
    """Segment prepared cases and write their label maps on their original grids.

    Args:
        network: In evaluation mode.
        cases: Their names.
        images: (C, X, Y, Z) prepared, one per case.
        about: Grids, classes and label values of the prepared dataset.
        restoration: `linear` or `nearest`; see `restore`.
        folder: For `<case>.nii.gz`.
        report: Takes the name of each case that is done.
        soft: Whether soft volumes are wanted.

    Returns:
        With `soft`, a row per case: its name, and the soft volume of each class in ml.
    """
    way_back = WayBack(about, restoration, folder, overlapping(network), soft)
    rows: list[dict[str, str | float]] = []
    for case, image in zip(cases, images, strict=True):
        rows += way_back.write(case, probabilities(network, image), about.grids[case])
        report(case)
    return rows


@dataclass(frozen=True)
class WayBack:
    """From probabilities on a prepared grid to a label map on the image's own.

    Attributes:
        about: Classes, label values and the headers of the images.
        restoration: `linear` or `nearest`; see `restore`.
        folder: For `<case>.nii.gz`.
        overlapping: Whether a voxel may be of several classes.
        soft: Whether soft volumes are wanted.
    """

    about: About
    restoration: str
    folder: Path
    overlapping: bool
    soft: bool = False

    def write(self, case: str, prediction: np.ndarray, grid: Grid) -> list[dict[str, str | float]]:
        """Write the label map of a case.

        Args:
            case: Its name.
            prediction: (K + 1, X, Y, Z), see `probabilities`.
            grid: Where its voxels lie.

        Returns:
            With `soft`, a row: the case, and the soft volume of each class in ml.
        """
        about, header = self.about, self.about.originals[case]
        label = restore(prediction, grid, header.grid, self.restoration, self.overlapping)
        path = self.folder / f"{case}.nii.gz"
        write_prediction(path, label, about.classes, about.class_values, header, checked=True)
        if not self.soft:
            return []
        volumes = soft_volumes(prediction, grid, header.grid, self.restoration).tolist()
        return [{"case": case, **dict(zip(about.classes, volumes, strict=True))}]

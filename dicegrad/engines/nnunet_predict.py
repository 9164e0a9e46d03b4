"""Held-out cases segmented by nnU-Net's predictor: sliding window, Gaussian weights, mirroring."""

import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dicegrad.checksums import verify
from dicegrad.data.orientation import Turn
from dicegrad.engines.nnunet_raw import image_files
from dicegrad.errors import InputError, one_line
from dicegrad.logs import Report
from dicegrad.prediction.restoration import write_prediction
from dicegrad.preprocessing.about import About
from dicegrad.training.checkpoint import NNUNET_FORMAT


def load_weights(path: Path) -> dict[str, Any]:
    """What `engines.nnunet_train` wrote: nothing of the file is run.

    Raises:
        InputError: The file is missing, damaged, or no weights of this engine.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; train it")
    verify(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != NNUNET_FORMAT:
            raise ValueError(f"its format is {content['format']!r}")
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        raise InputError(
            f"{path}: holds no weights of the engine nnunet, or is damaged "
            f"({one_line(error)[:200]}); delete it to train again"
        ) from error
    return content


def make_predictor(weights: dict[str, Any], device: str) -> Any:  # noqa: ANN401
    """nnU-Net's predictor with a trained network."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    about, plans = json.loads(weights["dataset"]), PlansManager(json.loads(weights["plans"]))
    chosen = plans.get_configuration(weights["configuration"])
    channels = determine_num_input_channels(plans, chosen, about)
    heads = plans.get_label_manager(about).num_segmentation_heads
    network = nnUNetTrainer.build_network_architecture(
        plans, chosen, channels, heads, enable_deep_supervision=False
    )
    network.load_state_dict(weights["state"])
    predictor = nnUNetPredictor(
        perform_everything_on_device=device != "cpu",
        device=torch.device(device),
        allow_tqdm=False,
    )
    mirrored = tuple(weights["mirrored"]) or None
    predictor.manual_initialization(
        network.to(device), plans, chosen, [weights["state"]], about, "nnUNetTrainer", mirrored
    )
    return predictor


def laid_back(found: np.ndarray, case: str, about: About) -> np.ndarray:
    """What nnU-Net predicts of a file of `nnunet_raw`, on the case's original grid.

    Args:
        found: (Z, Y, X) classes, along the axes that the study has turned.
        case: Its name.
        about: Original and network grids; the latter has the turned axes.

    Returns:
        (X', Y', Z') uint8.
    """
    turn = Turn.between(about.originals[case].grid, about.grids[case])
    return turn.back(found.transpose(2, 1, 0)).astype(np.uint8, order="F")


def predict_cases(
    weights: Path, cases: Sequence[str], raw: Path, about: About, out: Path, device: str,
    report: Report,
) -> None:  # fmt: skip
    """Segment cases and write their label maps on their original grids.

    Args:
        weights: weights.pt of a training run.
        cases: Their names.
        raw: nnU-Net's raw folder of the dataset.
        about: Headers, classes and label values of the dataset.
        out: For `<case>.nii.gz`.
        device: Such as `cpu` or `cuda:0`.
        report: Takes the name of each case that is done.

    Raises:
        InputError: The weights cannot be used.
    """
    with redirect_stdout(StringIO()):  # nnU-Net talks
        predictor = make_predictor(load_weights(weights), device)
    for case in cases:
        files = [str(path) for path in image_files(raw, case, len(about.channels))]
        with redirect_stdout(StringIO()):
            (found,) = predictor.predict_from_files_sequential([files], None)
        label, header = laid_back(found, case, about), about.originals[case]
        path = out / f"{case}.nii.gz"
        write_prediction(path, label, about.classes, about.class_values, header, checked=True)
        report(case)

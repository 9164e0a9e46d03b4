"""Loss and DSC of a network on the validation cases, between two epochs."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dicegrad.preprocessing.labeling import IGNORE
from dicegrad.training.dataset import PreparedData
from dicegrad.training.numerics import autocast
from dicegrad.training.objective import Objective


def validate(
    network: nn.Module,
    data: PreparedData,
    cases: Sequence[int],
    objective: Objective,
    batch_size: int,
    precision: str = "float32",
    pause: Callable[[], None] = lambda: None,
) -> tuple[float, list[float]]:
    """Loss and hard DSC on the validation cases, under the labeling of the training run.

    The order and the batches are fixed, since a batch-wise loss depends on which cases share a
    batch. `pause` is called between batches, and may end the validation by raising.

    Returns:
        Mean loss, weighted by batch size, and the mean DSC of each class over the cases that
        have it (nan if none has).
    """
    network.eval()
    losses: list[Tensor] = []
    scores: list[Tensor] = []
    with torch.inference_mode():
        for numbers in data.numbers(cases).split(batch_size):
            if losses:
                pause()
            image, label, annotated = data.batch(numbers)
            with autocast(precision, data.device):
                logits = network(image)
            logits = logits.float()
            losses.append(objective(logits, label, annotated) * len(label))
            predicted = _masks(harden(logits, data.overlapping), data)
            kept = label != IGNORE
            scores.append(_dice_per_case(predicted, _masks(label, data), kept, annotated))
    dice = torch.cat(scores).nanmean(dim=0)
    return float(torch.stack(losses).sum()) / len(cases), dice.tolist()


def harden(logits: Tensor, overlapping: bool = False) -> Tensor:
    """Label maps (B, X, Y, Z) uint8 of logits (B, K, X, Y, Z); see `Coding`."""
    if overlapping:
        bits = 2 ** torch.arange(logits.shape[1], device=logits.device)
        return ((logits > 0) * bits[:, None, None, None]).sum(dim=1).to(torch.uint8)
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).to(torch.uint8)
    return logits.argmax(dim=1).to(torch.uint8)


def _masks(label: Tensor, data: PreparedData) -> Tensor:
    """(B, K, X, Y, Z) bool, the voxels of each class in label maps (B, X, Y, Z) uint8."""
    number = torch.arange(len(data.classes), device=label.device, dtype=label.dtype)
    number = number[:, None, None, None]
    if data.overlapping:
        return (label[:, None] >> number) & 1 == 1
    return label[:, None] == number + 1


def _dice_per_case(p: Tensor, y: Tensor, kept: Tensor, annotated: Tensor | None = None) -> Tensor:
    """(B, K); nan where the truth is empty or not annotated. Ignored voxels do not count.

    Args:
        p: (B, K, X, Y, Z) bool, prediction.
        y: (B, K, X, Y, Z) bool, truth.
        kept: (B, X, Y, Z) bool, False where no label is known.
        annotated: (B, K) bool.
    """
    p, y = p & kept[:, None], y & kept[:, None]
    axes = (2, 3, 4)
    truth = y.sum(axes)
    dice = 2 * (p & y).sum(axes) / (p.sum(axes) + truth)
    known = truth > 0 if annotated is None else (truth > 0) & annotated
    return dice.where(known, torch.nan)

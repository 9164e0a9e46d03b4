"""What the losses for missing labels share: the exclusion loss, and missing inferred from empty."""

import math

import torch
from torch import Tensor

from dicegrad.errors import InputError
from dicegrad.losses.masks import Masks
from dicegrad.losses.reduction import inverse
from dicegrad.losses.sums import overlap_sums


def exclusion(sums: Tensor, counted: Tensor, kept: Tensor | None, voxels: int) -> Tensor:
    """The mean of Dice(p, 1 - y) over the annotated foreground maps, a scalar in [0, 1].

    What p and 1 - y share is P - I, and 1 - y has N - T voxels, so the usual sums are enough.

    Args:
        sums: Shape (3, B, C): intersection, predicted and true volume.
        counted: (B, C), 0 for maps that are not annotated.
        kept: (B, *spatial) bool, the voxels that are not ignored, or None.
        voxels: Of a case.
    """
    intersection, predicted, true = sums[:, :, 1:]
    number = voxels if kept is None else kept.flatten(1).sum(1, keepdim=True)
    total = (predicted + number - true).clamp_min(torch.finfo(sums.dtype).tiny)
    dice = 2 * (predicted - intersection) / total
    counted = counted[:, 1:]
    return (dice * counted).sum() * inverse(counted.sum())


def not_empty(y_pred: Tensor, y: Tensor, masks: Masks, activation: str | None = None) -> Tensor:
    """The maps that hold a true voxel, (B, C) bool."""
    with torch.no_grad():
        over = Masks(masks.mask, masks.ignore_index)
        return overlap_sums(y_pred, y, activation, "l1", over)[2] > 0


def check_exclusion(factor: float) -> float:
    """Return the factor of the exclusion loss; an ``InputError`` names one that is not allowed."""
    if not 0 <= factor < math.inf:
        raise InputError(f"exclusion is {factor!r}; it must be finite and at least 0")
    return float(factor)

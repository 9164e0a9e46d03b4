"""From the sums of a batch to its Dice loss (Eq. 3) and the coefficients of its derivative (Eq. 4).

All of this is a handful of numbers per subset. On the CPU they are NumPy arrays, whose operations
cost a fraction of torch's at this size; on other devices, and where autograd has to follow, they
are tensors. The formulas are the same lines.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dicegrad.losses.inputs import (
    PerClass,
    check_epsilon,
    check_length,
    check_weight,
    first_channel,
)

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Array = Tensor | np.ndarray


@dataclass(frozen=True)
class Reduction:
    """What one Dice is computed over, and how the Dice values become the loss.

    Attributes:
        phi: "I", "CI", "BI" or "BCI".
        epsilon: Smoothing term in voxels, one number or one per reduced class.
        include_background: Whether channel 0 takes part.
        weight: One factor per reduced class, or None.
        process_group: With "BI" and "BCI", the processes that share one batch, or None.
    """

    phi: str
    epsilon: float | tuple[float, ...]
    include_background: bool = True
    weight: tuple[float, ...] | None = None
    process_group: "ProcessGroup | None" = None

    @property
    def first(self) -> int:
        """First channel that takes part."""
        return 0 if self.include_background else 1

    def check(self, y_pred: Tensor, activation: str | None) -> None:
        """Raise an ``InputError`` unless y_pred fits, and every per-class setting fits y_pred."""
        first_channel(y_pred, activation, self.include_background)
        channels = y_pred.shape[1]
        check_length("epsilon", self.epsilon, channels - self.first, channels)
        check_length("weight", self.weight, channels - self.first, channels)


def make_reduction(
    phi: str,
    epsilon: PerClass,
    include_background: bool = True,
    weight: PerClass | None = None,
    process_group: "ProcessGroup | None" = None,
) -> Reduction:
    """Check the numbers and return the reduction; an ``InputError`` names what is wrong."""
    epsilon, weight = check_epsilon(epsilon, phi), check_weight(weight, phi)
    return Reduction(phi, epsilon, bool(include_background), weight, process_group)


def fraction(sums: Array, reduction: Reduction) -> tuple[Array, Array]:
    """Numerator and denominator of the soft Dice of every subset.

    Args:
        sums: Shape (3, B, C): sums of y p, of p and of y.
        reduction: Which of them are pooled.

    Returns:
        Two arrays of shape (B, C); B is 1 if phi pools the batch, C is 1 if it pools the classes.
    """
    sums = pool(sums, reduction)
    intersection, predicted, true = sums
    epsilon = per_class(reduction.epsilon, sums)
    return 2 * intersection + epsilon, predicted + true + epsilon


def pool(sums: Array, reduction: Reduction) -> Array:
    """Leave the background out if wanted, and add up the sums that share a subset."""
    sums = sums[:, :, reduction.first :]
    if "B" in reduction.phi:
        sums = sums.sum(1, keepdims=True)
    if "C" in reduction.phi:
        sums = sums.sum(2, keepdims=True)
    return sums


def mean_loss(dice: Array, reduction: Reduction) -> Array:
    """Eq. 3: the mean of 1 - Dice over the subsets, each times the weight of its class."""
    if reduction.weight is None:
        return 1 - dice.mean()
    return ((1 - dice) * per_class(reduction.weight, dice)).mean()


def loss_and_coefficients(sums: Tensor, reduction: Reduction) -> tuple[Array, Tensor]:
    """Eq. 3, and Eq. 4 as the derivatives of the loss by intersection and by predicted volume.

    Args:
        sums: Shape (3, B, C); overwritten.
        reduction: The reduction.

    Returns:
        The loss, and the coefficients of shape (2, B, C), which are 0 for a background left out.
        With a process group they are multiplied by its size, since data-parallel training divides
        the gradient by it.
    """
    processes = _share_batch(sums, reduction)
    array = sums.numpy() if sums.device.type == "cpu" else sums
    numerator, denominator = fraction(array, reduction)
    dice = numerator / denominator
    loss = mean_loss(dice, reduction)
    subsets = dice.shape[0] * dice.shape[1]  # |Phi|
    factor = 1 if reduction.weight is None else per_class(reduction.weight, dice)
    share = factor * processes / (subsets * denominator)
    array[0, :, reduction.first :] = -2 * share
    array[1, :, reduction.first :] = share * dice
    array[:2, :, : reduction.first] = 0
    return loss, sums[:2]


def _share_batch(sums: Tensor, reduction: Reduction) -> int:
    """Add up the sums of all processes if they share one batch; return how many there are."""
    if reduction.process_group is None or "B" not in reduction.phi:
        return 1
    total = sums.sum(1)
    torch.distributed.all_reduce(total, group=reduction.process_group)
    sums.zero_()
    sums[:, 0] = total  # the batch is pooled next, so it does not matter which row holds it
    return torch.distributed.get_world_size(reduction.process_group)


def per_class(values: float | tuple[float, ...], like: Array) -> float | Array:
    """A number as it is, one number per class as an array of the same kind as ``like``."""
    if not isinstance(values, tuple):
        return values
    if isinstance(like, np.ndarray):
        return np.asarray(values)
    # Filled where it is: to copy the numbers there would make the host wait for the device.
    return torch.stack([like.new_full((), value) for value in values])

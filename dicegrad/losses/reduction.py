"""From the sums of a batch to its Dice loss (Eq. 3) and the coefficients of its derivative (Eq. 4).

All of this is a handful of numbers per subset. On the CPU they are NumPy arrays, whose operations
cost a fraction of torch's at this size; on other devices, and where autograd has to follow, they
are tensors. The formulas are the same lines.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from dicegrad.losses.groups import Group, add_up
from dicegrad.losses.inputs import (
    PerClass,
    check_choice,
    check_epsilon,
    check_length,
    check_weight,
    first_channel,
)

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

# Tensors or NumPy arrays; Any, since no type says "one of the two, and the same throughout".
Array = Any
Output = Literal["mean", "sum", "none"]


@dataclass(frozen=True)
class Reduction:
    """What one Dice is computed over, and how the Dice values become the loss.

    Attributes:
        phi: "I", "CI", "BI" or "BCI".
        epsilon: Smoothing term in voxels, one number or one per reduced class.
        include_background: Whether channel 0 takes part.
        weight: One factor per reduced class, or None.
        process_group: With "BI" and "BCI", the processes that share one batch, or None.
        output: "mean" or "sum" over the subsets, or "none": one value per subset.
    """

    phi: str
    epsilon: float | tuple[float, ...]
    include_background: bool = True
    weight: tuple[float, ...] | None = None
    process_group: Group | None = None
    output: str = "mean"

    @property
    def first(self) -> int:
        """First channel that takes part."""
        return 0 if self.include_background else 1

    @property
    def shared(self) -> bool:
        """Whether several processes share one batch."""
        return self.process_group is not None and "B" in self.phi

    @property
    def pools(self) -> bool:
        """Whether maps share a subset. Else one that takes no part is left out as a whole."""
        return self.phi != "I"

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
    process_group: "ProcessGroup | str | None" = None,
    output: str = "mean",
) -> Reduction:
    """Check the settings and return the reduction; an ``InputError`` names what is wrong."""
    check_choice("reduction", output, ("mean", "sum", "none"))
    group = None if process_group is None else Group(process_group)
    factors = check_weight(weight, phi)
    epsilons = check_epsilon(epsilon, phi)
    return Reduction(phi, epsilons, bool(include_background), factors, group, output)


def fraction(pooled: Array, reduction: Reduction) -> tuple[Array, Array]:
    """Numerator and denominator of the soft Dice of every subset.

    Args:
        pooled: The sums of every subset, as `pool` returns them.
        reduction: The reduction.

    Returns:
        Two arrays of shape (B, C); B is 1 if phi pools the batch, C is 1 if it pools the classes.
    """
    intersection, predicted, true = pooled
    epsilon = per_class(reduction.epsilon, pooled)
    return 2 * intersection + epsilon, predicted + true + epsilon


def pool(sums: Array, reduction: Reduction, share: Array | None = None) -> Array:
    """Leave out what takes no part, and add up the sums that share a subset.

    Args:
        sums: Shape (3, B, C): sums of y p, of p and of y.
        reduction: Which of them share a subset.
        share: (B, C), how often each map counts; None counts each once.
    """
    sums = sums[:, :, reduction.first :]
    if share is not None and reduction.pools:
        sums = sums * _factor(share[:, reduction.first :], reduction)
    if "B" in reduction.phi:
        sums = sums.sum(1, keepdims=True)
    if "C" in reduction.phi:
        sums = sums.sum(2, keepdims=True)
    return sums


def _factor(share: Array, reduction: Reduction) -> Array:
    """What the sums of a map are multiplied by within its subset.

    A batch that is pooled holds each case as often as it counts. Elsewhere a subset lies within
    one case, and its Dice as a whole is weighted.
    """
    return share if "B" in reduction.phi else _counts(share)


def subset_weight(share: Array, reduction: Reduction) -> Array:
    """How often every subset counts in the mean, 0 if none of its maps takes part."""
    share = share[:, reduction.first :]
    if "C" in reduction.phi:
        share = _largest(share, 1)
    return _counts(_largest(share, 0)) if "B" in reduction.phi else share


def _counts(share: Array) -> Array:
    """1 for what takes part, else 0, as precise as the shares: 1/3 in float32 is too rough."""
    return (share > 0) * 1.0 if isinstance(share, np.ndarray) else (share > 0).to(share.dtype)


def _largest(share: Array, axis: int) -> Array:
    if isinstance(share, np.ndarray):
        return share.max(axis, keepdims=True)
    return share.amax(axis, keepdim=True)


def reduce_loss(
    overlap: Array, reduction: Reduction, weight: Array | None = None, part: Array | None = None
) -> Array:
    """Eq. 3: 1 - overlap of the subsets, each times the weight of its class, and their mean.

    Args:
        overlap: Dice, or another measure that is 1 at best, of every subset.
        reduction: The reduction; its output decides between mean, sum and neither.
        weight: How often every subset counts, of the same shape; None counts each once.
        part: `inverse` of the sum of the weights, if that is known.

    Returns:
        A scalar, or with output "none" one value per subset, 0 for one that does not count. A mean
        over nothing is 0.
    """
    if weight is None and reduction.weight is None and reduction.output == "mean":
        return 1 - overlap.mean()
    loss = 1 - overlap
    if reduction.weight is not None:
        loss = loss * per_class(reduction.weight, overlap)
    if weight is not None:
        loss = loss * weight
    if reduction.output == "none":
        return loss
    if reduction.output == "sum":
        return loss.sum()
    if weight is None:
        return loss.mean()
    return loss.sum() * (inverse(weight.sum()) if part is None else part)


def inverse(total: Array) -> Array:
    """1 / total, and 0 for a total of 0."""
    if isinstance(total, float):  # as a sum of NumPy's is
        return 1 / total if total > 0 else 0 * total
    return (total > 0) / (total + (total == 0))


def loss_and_coefficients(
    sums: Tensor, reduction: Reduction, share: Tensor | None = None
) -> tuple[Array, Tensor]:
    """Eq. 3, and Eq. 4 as the derivatives of the loss by intersection and by predicted volume.

    Args:
        sums: Shape (3, B, C); overwritten.
        reduction: The reduction.
        share: (B, C), how often each map counts; None counts each once.

    Returns:
        The loss, and the coefficients of shape (2, B, C), which are 0 for a map that takes no part.
        With output "none" they are the derivatives of each subset's own value. With a process
        group they are multiplied by its size, since data-parallel training divides the gradient
        by it.
    """
    cpu = sums.device.type == "cpu"
    array = sums.numpy() if cpu else sums
    counts = share if share is None or not cpu else share.numpy()
    weight = None if counts is None else subset_weight(counts, reduction)
    pooled, processes = pool(array, reduction, counts), 1
    if reduction.shared:
        pooled, weight, processes = _share_batch(pooled, weight, reduction)
    numerator, denominator = fraction(pooled, reduction)
    dice = numerator / denominator
    part = None if weight is None else inverse(weight.sum())
    loss = reduce_loss(dice, reduction, weight, part)
    factor = 1 if reduction.weight is None else per_class(reduction.weight, dice)
    if reduction.output != "mean":
        factor = factor * (1 if weight is None else weight) * processes / denominator
    elif weight is None:
        factor = factor * processes / (dice.shape[0] * dice.shape[1] * denominator)  # |Phi|
    else:
        factor = factor * weight * processes * part / denominator
    if counts is not None and reduction.pools:
        factor = factor * _factor(counts[:, reduction.first :], reduction)
    array[0, :, reduction.first :] = -2 * factor
    array[1, :, reduction.first :] = factor * dice
    array[:2, :, : reduction.first] = 0
    return loss, sums[:2]


def _share_batch(
    pooled: Array, weight: Array | None, reduction: Reduction
) -> tuple[Array, Array | None, int]:
    """Add up the pooled sums of all processes that share one batch.

    Returns:
        The sums of the whole batch, how often every subset counts in it, and how many processes
        there are. Every process sends the same numbers, whether or not it was given a mask.
    """
    values = torch.as_tensor(pooled)
    counted = torch.ones_like(values[:1]) if weight is None else torch.as_tensor(weight)[None]
    total = torch.cat([values, counted])
    processes = add_up(total, reduction.process_group)
    array = total.numpy() if isinstance(pooled, np.ndarray) else total
    counts = _counts(array[3])
    if isinstance(counts, np.ndarray) and counts.all():
        return array[:3], None, processes
    return array[:3], counts, processes


def per_class(values: float | tuple[float, ...], like: Array) -> float | Array:
    """A number as it is, one number per class as an array of the same kind as ``like``."""
    if not isinstance(values, tuple):
        return values
    if isinstance(like, np.ndarray):
        return np.asarray(values)
    # Filled where it is: to copy the numbers there would make the host wait for the device.
    return torch.stack([like.new_full((), value) for value in values])

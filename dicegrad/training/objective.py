"""From the words of an experiment to a loss on logits."""

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from dicegrad.errors import InputError
from dicegrad.losses import (
    CrossEntropyLoss,
    DiceCELoss,
    DiceLoss,
    LeafDiceLoss,
    MarginalDiceLoss,
)

Objective = Callable[[Tensor, Tensor], Tensor]


def make_objective(
    loss: str,
    phi: str,
    epsilon: float | Sequence[float] | None,
    classes: Sequence[str],
    released: Collection[str] = (),
    voxels: int = 0,
) -> Objective:
    """The loss of an experiment, for logits (B, K, X, Y, Z) and label maps (B, X, Y, Z).

    One class is a sigmoid map; several are a softmax with the background first, which is left
    out of the Dice and leaf Dice loss, and part of the marginal one, as in the paper, and of
    cross-entropy.

    Args:
        loss: `dice`, `marginal`, `leaf`, `dice_ce` (Dice plus cross-entropy, each once) or
            `cross_entropy`, which has neither phi nor epsilon.
        phi: Reduction of the Dice loss: `I`, `CI`, `BI` or `BCI`.
        epsilon: One number, or one per class.
        classes: Foreground classes.
        released: Switches of the authors' code, for loss `dice` of several classes. `loss_scale`:
            the mean is over all maps, the background's being weighted 0. `epsilon_broadcast`:
            where each class has its epsilon, every class is taken with all of them, background's
            included, and the mean is over both.
        voxels: Of a case; what the classes leave of it is the background's epsilon.

    Raises:
        InputError: For another loss, or marginal Dice of a single class, which has no background
            map for the missing class to join.
    """
    binary = len(classes) == 1
    if isinstance(epsilon, Sequence) and len(epsilon) == 1:
        epsilon = epsilon[0]  # the sums over classes take a single number
    activation = "sigmoid" if binary else "softmax"
    if loss == "dice":
        shared = [epsilon]
        if "epsilon_broadcast" in released and isinstance(epsilon, Sequence):
            shared = [voxels - sum(epsilon), *epsilon]
        terms = [DiceLoss(phi, e, activation=activation, include_background=binary) for e in shared]
        scaled = "loss_scale" in released and not binary
        return _mean(terms, len(classes) / (len(classes) + 1) if scaled else 1)
    if loss == "dice_ce":
        return DiceCELoss(phi, epsilon, activation=activation, include_background=binary)
    if loss == "cross_entropy":
        return CrossEntropyLoss(activation=activation)
    if loss == "leaf":
        return LeafDiceLoss(epsilon, activation=activation)
    if loss == "marginal" and not binary:
        return MarginalDiceLoss(epsilon, activation=activation)
    if loss == "marginal":
        raise InputError(
            f"loss marginal needs a background map, which the one class {classes[0]!r} has not; "
            "use it with two classes or more"
        )
    raise InputError(f"loss is {loss!r}; allowed: dice, marginal, leaf, dice_ce, cross_entropy")


def _mean(terms: Sequence[DiceLoss], weight: float) -> Objective:
    """One minus `weight` times the Dice of the terms, which is their mean."""
    if len(terms) == weight == 1:
        return terms[0]

    def loss(logits: Tensor, label: Tensor) -> Tensor:
        mean = torch.stack([term(logits, label) for term in terms]).mean()
        return 1 - weight * (1 - mean)

    return loss

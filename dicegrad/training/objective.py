"""From an experiment to a loss on logits."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

import torch
from torch import Tensor

from dicegrad.losses import (
    CrossEntropyLoss,
    DiceCELoss,
    DiceLoss,
    LeafDiceLoss,
    MarginalDiceLoss,
)
from dicegrad.losses.inputs import Activation, Phi
from dicegrad.study.experiment import Experiment
from dicegrad.study.losses import LOSSES

# Of logits (B, K, X, Y, Z), labels (B, X, Y, Z) and which maps are annotated, (B, C) or None.
Objective = Callable[[Tensor, Tensor, Tensor | None], Tensor]
Unmasked = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Wanted:
    """What the loss of an experiment depends on.

    Attributes:
        experiment: The row.
        epsilon: One number of voxels, one per class, or None for a loss without it.
        classes: Foreground classes. One class is a sigmoid map; several are a softmax with the
            background first, which is left out of the Dice and leaf Dice loss, and part of the
            marginal one, as in the paper, and of cross-entropy.
        released: Switches of the authors' code, for loss `dice` of several classes. `loss_scale`:
            the mean is over all maps, the background's being weighted 0. `epsilon_broadcast`:
            where each class has its epsilon, every class is taken with all of them, background's
            included, and the mean is over both.
        voxels: Of a case; what the classes leave of it is the background's epsilon.
        has_ignored: Whether there are voxels of which no label is known.
    """

    experiment: Experiment
    epsilon: float | Sequence[float] | None
    classes: tuple[str, ...]
    released: Collection[str] = ()
    voxels: int = 0
    has_ignored: bool = False

    @property
    def binary(self) -> bool:
        """Whether there is a single class."""
        return len(self.classes) == 1

    @property
    def phi(self) -> Phi:
        """The reduction; `make_objective` has checked it."""
        return cast(Phi, self.experiment.phi)

    @property
    def activation(self) -> Activation:
        """What turns logits into probabilities."""
        return "sigmoid" if self.binary else "softmax"

    @property
    def smoothing(self) -> float | Sequence[float]:
        """Epsilon, a single number where there is one class."""
        if self.epsilon is None:
            raise ValueError(f"loss {self.experiment.loss} has no epsilon")
        if isinstance(self.epsilon, Sequence) and len(self.epsilon) == 1:
            return self.epsilon[0]
        return self.epsilon

    @property
    def number(self) -> float:
        """Epsilon of a loss that takes a single number."""
        epsilon = self.smoothing
        if isinstance(epsilon, Sequence):
            raise ValueError(f"loss {self.experiment.loss} takes one epsilon, not one per class")
        return epsilon


def make_objective(wanted: Wanted) -> Objective:
    """The loss of an experiment, for logits (B, K, X, Y, Z) and label maps (B, X, Y, Z).

    Raises:
        InputError: The loss does not fit the classes; see `Experiment.check`.
    """
    wanted.experiment.check(wanted.classes)
    module, _, function = LOSSES[wanted.experiment.loss].make.partition(":")
    loss = getattr(import_module(module), function)(wanted)
    return lambda logits, label, annotated: loss(logits, label)


def dice(wanted: Wanted) -> Unmasked:
    """Dice over phi, with the switches of the authors' code where they are on."""
    epsilon = wanted.smoothing
    shared: list[float | Sequence[float]] = [epsilon]
    if "epsilon_broadcast" in wanted.released and isinstance(epsilon, Sequence):
        shared = [wanted.voxels - sum(epsilon), *epsilon]
    terms = [
        DiceLoss(
            wanted.phi,
            each,
            activation=wanted.activation,
            include_background=wanted.binary,
        )
        for each in shared
    ]
    classes = len(wanted.classes)
    scaled = "loss_scale" in wanted.released and not wanted.binary
    return _mean(terms, classes / (classes + 1) if scaled else 1)


def dice_ce(wanted: Wanted) -> Unmasked:
    """Dice plus cross-entropy, weighted 1 each."""
    return DiceCELoss(
        wanted.phi,
        wanted.smoothing,
        activation=wanted.activation,
        include_background=wanted.binary,
    )


def cross_entropy(wanted: Wanted) -> Unmasked:
    """Cross-entropy alone."""
    return CrossEntropyLoss(activation=wanted.activation)


def leaf(wanted: Wanted) -> Unmasked:
    """Leaf Dice as released: a class without a true voxel counts as missing."""
    return LeafDiceLoss(wanted.number, activation=wanted.activation)


def marginal(wanted: Wanted) -> Unmasked:
    """Marginal Dice as released: a class without a true voxel joins the background."""
    return MarginalDiceLoss(wanted.number, activation=wanted.activation)


def _mean(terms: Sequence[DiceLoss], weight: float) -> Unmasked:
    """One minus `weight` times the Dice of the terms, which is their mean."""
    if len(terms) == weight == 1:
        return terms[0]

    def loss(logits: Tensor, label: Tensor) -> Tensor:
        mean = torch.stack([term(logits, label) for term in terms]).mean()
        return 1 - weight * (1 - mean)

    return loss

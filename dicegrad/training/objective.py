"""From an experiment to a loss on logits."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import torch
from torch import Tensor

from dicegrad.losses import (
    CrossEntropyLoss,
    DiceCELoss,
    DiceLoss,
    GeneralizedDiceLoss,
    LeafDiceLoss,
    MarginalDiceLoss,
    SoftJaccardLoss,
    TverskyLoss,
)
from dicegrad.preprocessing.labeling import IGNORE
from dicegrad.study.experiment import Experiment
from dicegrad.study.losses import AS_EMPTY, LOSSES, MARGINAL
from dicegrad.study.regions import check_loss

# Of logits (B, C, X, Y, Z), label maps (B, X, Y, Z) and what is annotated (B, K), if that is known.
Objective = Callable[[Tensor, Tensor, Tensor | None], Tensor]

FALSE_POSITIVE, FALSE_NEGATIVE = 0.3, 0.7  # of the Tversky loss, as in Salehi et al. (2017)


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
        ignored: Whether there are voxels of which no label is known, labelled `IGNORE`.
        overlapping: Whether a voxel may be of several classes. Each is a sigmoid map then, and a
            label holds a bit for each; see `Coding`.
    """

    experiment: Experiment
    epsilon: float | Sequence[float] | None
    classes: tuple[str, ...]
    released: Collection[str] = ()
    voxels: int = 0
    ignored: bool = False
    overlapping: bool = False

    @property
    def sigmoid(self) -> bool:
        """Whether every output is a map of its own, so that there is no background."""
        return len(self.classes) == 1 or self.overlapping

    @property
    def smoothing(self) -> float | Sequence[float]:
        """Epsilon, a single number where there is one class, since some losses take no list."""
        if self.epsilon is None:
            raise ValueError(f"loss {self.experiment.loss} has no epsilon")
        if isinstance(self.epsilon, Sequence) and len(self.epsilon) == 1:
            return self.epsilon[0]
        return self.epsilon

    @property
    def number(self) -> float:
        """Epsilon of a loss that takes a single number."""
        return cast("float", self.smoothing)

    @property
    def common(self) -> dict[str, Any]:
        """Arguments that every loss takes."""
        return {
            "activation": "sigmoid" if self.sigmoid else "softmax",
            "ignore_index": IGNORE if self.ignored and not self.overlapping else None,
        }

    @property
    def overlap(self) -> dict[str, Any]:
        """Arguments of the losses that are made of overlaps."""
        marginal = self.experiment.unannotated == MARGINAL
        return {
            **self.common,
            "include_background": self.sigmoid or marginal,
            "unannotated": "marginal" if marginal else "ignored",
        }

    @property
    def infers(self) -> bool:
        """Whether a marginal loss takes an empty map for a missing one, as released."""
        return self.experiment.unannotated == AS_EMPTY


def make_objective(wanted: Wanted) -> Objective:
    """The loss of an experiment.

    Raises:
        InputError: The loss does not fit the classes; see `Experiment.check`.
    """
    wanted.experiment.check(wanted.classes)
    if wanted.overlapping:
        check_loss(wanted.experiment.loss, wanted.experiment.unannotated)
    module, _, function = LOSSES[wanted.experiment.loss].make.partition(":")
    loss = getattr(import_module(module), function)(wanted)
    return _of_bits(loss, len(wanted.classes)) if wanted.overlapping else loss


def dice(wanted: Wanted) -> Objective:
    """Dice over phi, perhaps with the switches of the authors' code."""
    epsilon = wanted.smoothing
    shared = [epsilon]
    if "epsilon_broadcast" in wanted.released and isinstance(epsilon, Sequence):
        shared = [wanted.voxels - sum(epsilon), *epsilon]
    phi: Any = wanted.experiment.phi
    terms = [DiceLoss(phi, each, **wanted.overlap) for each in shared]
    classes = len(wanted.classes)
    scaled = "loss_scale" in wanted.released and not wanted.sigmoid
    return _mean(terms, classes / (classes + 1) if scaled else 1)


def dice_ce(wanted: Wanted) -> Objective:
    """Dice plus cross-entropy, each once."""
    phi: Any = wanted.experiment.phi
    return DiceCELoss(phi, wanted.smoothing, **wanted.overlap)


def cross_entropy(wanted: Wanted) -> Objective:
    """Cross-entropy alone."""
    return CrossEntropyLoss(**wanted.common)


def leaf(wanted: Wanted) -> Objective:
    """Leaf Dice; unless it is told, a class without a true voxel counts as missing, as released."""
    return LeafDiceLoss(wanted.number, **wanted.common)


def marginal(wanted: Wanted) -> Objective:
    """Marginal Dice; unless it is told, a class without a true voxel joins the background."""
    return MarginalDiceLoss(wanted.number, **wanted.common)


def marginal_ce(wanted: Wanted) -> Objective:
    """Cross-entropy in which a missing class is "background or that class"."""
    return _inferring(cross_entropy(wanted), wanted)


def marginal_dice_ce(wanted: Wanted) -> Objective:
    """Marginal Dice plus marginal cross-entropy, each once."""
    terms = (marginal(wanted), marginal_ce(wanted))

    def loss(logits: Tensor, label: Tensor, annotated: Tensor | None = None) -> Tensor:
        return terms[0](logits, label, annotated) + terms[1](logits, label, annotated)

    return loss


def tversky(wanted: Wanted) -> Objective:
    """The Tversky loss, in which a missed voxel costs more than an invented one."""
    phi: Any = wanted.experiment.phi
    return TverskyLoss(FALSE_POSITIVE, FALSE_NEGATIVE, phi, wanted.smoothing, **wanted.overlap)


def jaccard(wanted: Wanted) -> Objective:
    """The soft Jaccard loss."""
    phi: Any = wanted.experiment.phi
    return SoftJaccardLoss(phi, wanted.smoothing, **wanted.overlap)


def generalized(wanted: Wanted) -> Objective:
    """The generalised Dice loss."""
    phi: Any = wanted.experiment.phi
    return GeneralizedDiceLoss(phi, wanted.number, **wanted.overlap)


def _of_bits(loss: Callable[..., Tensor], classes: int) -> Objective:
    """A loss of maps, for labels that hold a bit for each class."""

    def of_labels(logits: Tensor, label: Tensor, annotated: Tensor | None = None) -> Tensor:
        bits = torch.arange(classes, device=label.device, dtype=label.dtype)
        maps = label[:, None] >> bits[:, None, None, None] & 1
        return loss(logits, maps, annotated, label != IGNORE)

    return of_labels


def _inferring(term: Objective, wanted: Wanted) -> Objective:
    """A loss that takes an empty map for a missing one, where it is not told."""
    if not wanted.infers:
        return term
    values = range(1, len(wanted.classes) + 1)

    def loss(logits: Tensor, label: Tensor, annotated: Tensor | None = None) -> Tensor:
        present = torch.stack([(label == k).flatten(1).any(1) for k in values], dim=1)
        return term(logits, label, present)

    return loss


def _mean(terms: Sequence[DiceLoss], weight: float) -> Objective:
    """One minus `weight` times the Dice of the terms, which is their mean."""
    if len(terms) == weight == 1:
        return terms[0]

    def loss(logits: Tensor, label: Tensor, annotated: Tensor | None = None) -> Tensor:
        mean = torch.stack([term(logits, label, annotated) for term in terms]).mean()
        return 1 - weight * (1 - mean)

    return loss

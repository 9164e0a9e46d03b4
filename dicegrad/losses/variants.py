"""Relatives of the Dice loss: the generalised Dice loss and the soft Jaccard loss."""

from typing import Literal

import torch
from torch import Tensor, nn

from dicegrad.losses.inputs import (
    Activation,
    Norm,
    PerClass,
    Phi,
    as_truth,
    check_choice,
    check_epsilon,
    check_length,
    check_settings,
    first_channel,
)
from dicegrad.losses.sums import maps_per_class, probabilities

Weighting = Literal["square", "simple", "uniform"]


class SoftJaccardLoss(nn.Module):
    """One minus the mean soft Jaccard (I + epsilon) / (P + T - I + epsilon) over phi's subsets.

    Args:
        phi: The reduction, as for `DiceLoss`.
        epsilon: Smoothing term in voxels, finite and above 0; one number or one per class.
        activation: None if y_pred holds probabilities, "sigmoid" or "softmax" if it holds logits.
        include_background: If False, channel 0 is left out of every sum and of the mean.
        norm: "l1" takes the prediction itself for its volume, "l2" its square.
    """

    def __init__(
        self,
        phi: Phi = "I",
        epsilon: PerClass = 1e-7,
        *,
        activation: Activation | None = None,
        include_background: bool = True,
        norm: Norm = "l1",
    ) -> None:
        super().__init__()
        check_settings(phi, activation, norm)
        self.phi, self.epsilon = phi, check_epsilon(epsilon, phi)
        self.activation, self.norm = activation, norm
        self.include_background = include_background

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Return the loss, a scalar in [0, 1].

        Args:
            y_pred: As for `DiceLoss.forward`.
            y: As for `DiceLoss.forward`.

        Raises:
            InputError: As for `DiceLoss.forward`.
        """
        first = first_channel(y_pred, self.activation, self.include_background)
        check_length("epsilon", self.epsilon, y_pred.shape[1] - first, y_pred.shape[1])
        sums = _sums(y_pred, y, self.activation, self.norm)[:, :, first:]
        sums = sums.sum(1, keepdim=True) if "B" in self.phi else sums
        sums = sums.sum(2, keepdim=True) if "C" in self.phi else sums
        several = isinstance(self.epsilon, tuple)
        epsilon = sums.new_tensor(self.epsilon) if several else self.epsilon
        intersection, predicted, true = sums
        union = predicted + true - intersection
        return 1 - ((intersection + epsilon) / (union + epsilon)).mean()


class GeneralizedDiceLoss(nn.Module):
    """One minus a Dice that pools the classes, each weighted by its inverse true volume.

    Args:
        phi: "CI" computes one Dice per batch element, "BCI" one over the batch.
        epsilon: Smoothing term in numerator and denominator, finite and above 0.
        weighting: "square" weights a class by 1 / volume^2, "simple" by 1 / volume, "uniform" by 1.
            A class without a true voxel gets the largest weight of the others.
        activation: None if y_pred holds probabilities, "sigmoid" or "softmax" if it holds logits.
        include_background: If False, channel 0 is left out of every sum.
    """

    def __init__(
        self,
        phi: Literal["CI", "BCI"] = "CI",
        epsilon: float = 1e-7,
        *,
        weighting: Weighting = "square",
        activation: Activation | None = None,
        include_background: bool = True,
    ) -> None:
        super().__init__()
        check_settings("I", activation, "l1")
        check_choice("phi", phi, ("CI", "BCI"))
        check_choice("weighting", weighting, ("square", "simple", "uniform"))
        self.phi, self.epsilon = phi, check_epsilon(epsilon, phi)
        self.weighting, self.activation = weighting, activation
        self.include_background = include_background

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Return the loss, a scalar in [0, 1].

        Args:
            y_pred: As for `DiceLoss.forward`.
            y: As for `DiceLoss.forward`.

        Raises:
            InputError: As for `DiceLoss.forward`.
        """
        first = first_channel(y_pred, self.activation, self.include_background)
        sums = _sums(y_pred, y, self.activation, "l1")[:, :, first:]
        if self.phi == "BCI":
            sums = sums.sum(1, keepdim=True)
        intersection, predicted, true = sums
        weight = _volume_weights(true.detach(), self.weighting)
        twice = 2 * (weight * intersection).sum(1) + self.epsilon
        total = (weight * (predicted + true)).sum(1) + self.epsilon
        return 1 - (twice / total).mean()


def _volume_weights(true: Tensor, weighting: str) -> Tensor:
    if weighting == "uniform":
        return torch.ones_like(true)
    weight = true.reciprocal() if weighting == "simple" else true.square().reciprocal()
    absent = true == 0
    largest = weight.masked_fill(absent, 0).amax(1, keepdim=True)
    return torch.where(absent, largest, weight)


def _sums(y_pred: Tensor, y: Tensor, activation: str | None, norm: str) -> Tensor:
    p = probabilities(y_pred, activation)
    truth = maps_per_class(as_truth(y_pred, y), p).flatten(2)
    p = p.flatten(2)
    predicted, true = (p, truth) if norm == "l1" else (p * p, truth * truth)
    return torch.stack([(p * truth).sum(-1), predicted.sum(-1), true.sum(-1)])

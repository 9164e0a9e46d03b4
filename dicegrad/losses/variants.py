"""Relatives of the Dice loss: the generalised Dice loss and the soft Jaccard loss."""

from typing import Literal

import torch
from torch import Tensor, nn

from dicegrad.losses.inputs import Activation, Norm, PerClass, Phi, as_truth, check_choice
from dicegrad.losses.inputs import check_settings as check_words
from dicegrad.losses.reduction import fraction, make_reduction, mean_loss, per_class, pool
from dicegrad.losses.sums import differentiable_sums
from dicegrad.losses.tiles import working_dtype

Weighting = Literal["square", "simple", "uniform"]


class SoftJaccardLoss(nn.Module):
    """One minus the mean soft Jaccard, (I + epsilon) / (P + T - I + epsilon), over phi's subsets.

    I is the intersection, P the predicted and T the true volume of a subset.

    Args:
        phi: The reduction, as for `DiceLoss`.
        epsilon: Smoothing term in voxels, finite and above 0; one number or one per class.
        activation: None if y_pred holds probabilities, "sigmoid" or "softmax" if it holds logits.
        include_background: If False, channel 0 is left out of every sum and of the mean.
        norm: "l1" takes the prediction itself for its volume, "l2" its square.

    Raises:
        InputError: If a setting is not allowed.
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
        check_words(phi, activation, norm)
        self.reduction = make_reduction(phi, epsilon, include_background)
        self.activation, self.norm = activation, norm

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Return the loss, a scalar in [0, 1].

        Args:
            y_pred: Shape (B, C, *spatial), as for `DiceLoss.forward`.
            y: Label map or maps per class, as for `DiceLoss.forward`.

        Raises:
            InputError: As for `DiceLoss.forward`.
        """
        self.reduction.check(y_pred, self.activation)
        sums = differentiable_sums(y_pred, as_truth(y_pred, y), self.activation, self.norm)
        intersection, predicted, true = pool(sums, self.reduction)
        epsilon = per_class(self.reduction.epsilon, sums)
        union = predicted + true - intersection
        jaccard = (intersection + epsilon) / (union + epsilon)
        return mean_loss(jaccard, self.reduction).to(working_dtype(y_pred))


class GeneralizedDiceLoss(nn.Module):
    """One minus a Dice that pools the classes, each weighted by its inverse true volume.

    With the weights w_c it is 1 - (2 sum_c w_c I_c + epsilon) / (sum_c w_c (P_c + T_c) + epsilon):
    phi "CI" or "BCI" of Eq. 3, weighted inside the sums instead of after them.

    Args:
        phi: "CI" computes one Dice per batch element, "BCI" one over the batch.
        epsilon: Smoothing term in numerator and denominator, finite and above 0. The weighted sums
            are of the order of one over the class volume ("square"), so 1e-7 is less negligible.
        weighting: "square" weights a class by 1 / volume^2, "simple" by 1 / volume, "uniform" by 1.
            A class without a true voxel gets the largest weight of the others.
        activation: None if y_pred holds probabilities, "sigmoid" or "softmax" if it holds logits.
        include_background: If False, channel 0 is left out of every sum.

    Raises:
        InputError: If a setting is not allowed.
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
        check_words("I", activation, "l1")
        check_choice("phi", phi, ("CI", "BCI"))
        check_choice("weighting", weighting, ("square", "simple", "uniform"))
        self.reduction = make_reduction(phi, epsilon, include_background)
        self.weighting, self.activation = weighting, activation

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Return the loss, a scalar in [0, 1].

        Args:
            y_pred: Shape (B, C, *spatial), as for `DiceLoss.forward`.
            y: Label map or maps per class, as for `DiceLoss.forward`.

        Raises:
            InputError: As for `DiceLoss.forward`.
        """
        self.reduction.check(y_pred, self.activation)
        sums = differentiable_sums(y_pred, as_truth(y_pred, y), self.activation, "l1")
        if self.reduction.phi == "BCI":
            sums = sums.sum(1, keepdim=True)
        true = sums[2, :, self.reduction.first :].detach()
        weight = torch.zeros_like(sums[2])
        weight[:, self.reduction.first :] = _volume_weights(true, self.weighting)
        twice, total = fraction(sums * weight, self.reduction)
        return mean_loss(twice / total, self.reduction).to(working_dtype(y_pred))


def _volume_weights(true: Tensor, weighting: str) -> Tensor:
    if weighting == "uniform":
        return torch.ones_like(true)
    weight = true.reciprocal() if weighting == "simple" else true.square().reciprocal()
    absent = true == 0
    largest = weight.masked_fill(absent, 0).amax(1, keepdim=True)
    return torch.where(absent, largest, weight)

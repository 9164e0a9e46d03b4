"""The generalised Dice loss: classes pooled, each weighted by its inverse true volume."""

from typing import Literal

import torch
from torch import Tensor, nn

from dicegrad.losses.dice import describe
from dicegrad.losses.inputs import Activation, check_choice, check_settings
from dicegrad.losses.label_sets import LabelSets
from dicegrad.losses.masks import Unannotated, make_mask_settings
from dicegrad.losses.reduction import (
    Output,
    fraction,
    make_reduction,
    pool,
    reduce_loss,
    subset_weight,
)
from dicegrad.losses.sums import differentiable_sums
from dicegrad.losses.tile import working_dtype

Weighting = Literal["square", "simple", "uniform"]


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
        ignore_index: As for `DiceLoss`.
        unannotated: As for `DiceLoss`.
        label_sets: As for `DiceLoss`.
        reduction: As for `DiceLoss`.

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
        ignore_index: int | None = None,
        unannotated: Unannotated = "ignored",
        label_sets: LabelSets | None = None,
        reduction: Output = "mean",
    ) -> None:
        super().__init__()
        check_settings("I", activation, "l1")
        check_choice("phi", phi, ("CI", "BCI"))
        check_choice("weighting", weighting, ("square", "simple", "uniform"))
        self.reduction = make_reduction(phi, epsilon, include_background, output=reduction)
        self.masks = make_mask_settings(
            activation, include_background, ignore_index, unannotated, label_sets
        )
        self.weighting, self.activation = weighting, activation

    def forward(
        self,
        y_pred: Tensor,
        y: Tensor,
        annotated: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        case_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, in [0, 1]; shapes and errors as for `DiceLoss.forward`.

        Args:
            y_pred: Shape (B, C, *spatial), as for `DiceLoss.forward`.
            y: Label map or maps per class, as for `DiceLoss.forward`.
            annotated: Which maps are annotated, as for `DiceLoss.forward`.
            mask: 0 where a voxel is ignored, as for `DiceLoss.forward`.
            case_weight: How often each case counts, as for `DiceLoss.forward`.

        Raises:
            InputError: As for `DiceLoss.forward`.
        """
        reduction, share = self.reduction, None
        reduction.check(y_pred, self.activation)
        truth, masks = self.masks.read(y_pred, y, annotated, mask, case_weight)
        sums = differentiable_sums(y_pred, truth, self.activation, "l1", masks)
        weight = None
        if masks.share is not None:
            share, weight = masks.share, subset_weight(masks.share, reduction)
            sums = sums * (share if reduction.phi == "BCI" else (share > 0) * 1.0)
        if reduction.phi == "BCI":
            sums = sums.sum(1, keepdim=True)
        true = sums[2, :, reduction.first :].detach()
        class_weight = torch.zeros_like(sums[2])
        class_weight[:, reduction.first :] = _volume_weights(true, self.weighting)
        twice, total = fraction(pool(sums * class_weight, reduction), reduction)
        return reduce_loss(twice / total, reduction, weight).to(working_dtype(y_pred))

    def extra_repr(self) -> str:
        """Show the settings in the module's text."""
        return f"{describe(self.reduction, self.masks)}, weighting={self.weighting!r}"


def _volume_weights(true: Tensor, weighting: str) -> Tensor:
    if weighting == "uniform":
        return torch.ones_like(true)
    weight = true.reciprocal() if weighting == "simple" else true.square().reciprocal()
    absent = true == 0
    largest = weight.masked_fill(absent, 0).amax(1, keepdim=True)
    return torch.where(absent, largest, weight)

"""The Dice loss, the Dice of every subset and the derivative, as functions."""

import torch
from torch import Tensor

from dicegrad.losses.dice import DiceLoss
from dicegrad.losses.inputs import Activation, Norm, PerClass, Phi, check_settings
from dicegrad.losses.label_sets import LabelSets
from dicegrad.losses.masks import Unannotated, make_mask_settings
from dicegrad.losses.reduction import (
    fraction,
    loss_and_coefficients,
    make_reduction,
    pool,
    subset_weight,
)
from dicegrad.losses.sums import differentiable_sums, overlap_gradient, overlap_sums
from dicegrad.losses.tile import working_dtype


def dice_loss(
    y_pred: Tensor,
    y: Tensor,
    phi: Phi = "I",
    epsilon: PerClass = 1e-7,
    *,
    annotated: Tensor | None = None,
    mask: Tensor | None = None,
    activation: Activation | None = None,
    include_background: bool = True,
    norm: Norm = "l1",
    weight: PerClass | None = None,
    ignore_index: int | None = None,
    unannotated: Unannotated = "ignored",
    label_sets: LabelSets | None = None,
) -> Tensor:
    """Return the Dice loss (Eq. 3), a scalar in [0, 1].

    Args:
        y_pred: Shape (B, C, *spatial), as for `DiceLoss.forward`.
        y: Label map or maps per class, as for `DiceLoss.forward`.
        phi: The reduction, as for `DiceLoss`.
        epsilon: Smoothing term in voxels, as for `DiceLoss`.
        annotated: Which maps are annotated, as for `DiceLoss.forward`.
        mask: 0 where a voxel is ignored, as for `DiceLoss.forward`.
        activation: As for `DiceLoss`.
        include_background: As for `DiceLoss`.
        norm: As for `DiceLoss`.
        weight: As for `DiceLoss`.
        ignore_index: As for `DiceLoss`.
        unannotated: As for `DiceLoss`.
        label_sets: As for `DiceLoss`.

    Raises:
        InputError: As for `DiceLoss` and `DiceLoss.forward`.
    """
    loss = DiceLoss(
        phi,
        epsilon,
        activation=activation,
        include_background=include_background,
        norm=norm,
        weight=weight,
        ignore_index=ignore_index,
        unannotated=unannotated,
        label_sets=label_sets,
    )
    return loss(y_pred, y, annotated, mask)


def soft_dice(
    y_pred: Tensor,
    y: Tensor,
    phi: Phi = "I",
    epsilon: PerClass = 1e-7,
    *,
    annotated: Tensor | None = None,
    mask: Tensor | None = None,
    activation: Activation | None = None,
    include_background: bool = True,
    norm: Norm = "l1",
    ignore_index: int | None = None,
    unannotated: Unannotated = "ignored",
    label_sets: LabelSets | None = None,
) -> Tensor:
    """Return the soft Dice of every subset (the fraction in Eq. 3).

    Args:
        y_pred: Shape (B, C, *spatial), as for `DiceLoss.forward`.
        y: Label map or maps per class, as for `DiceLoss.forward`.
        phi: The reduction.
        epsilon: Smoothing term in voxels, as for `DiceLoss`.
        annotated: Which maps are annotated, as for `DiceLoss.forward`.
        mask: 0 where a voxel is ignored, as for `DiceLoss.forward`.
        activation: As for `DiceLoss`.
        include_background: As for `DiceLoss`.
        norm: As for `DiceLoss`.
        ignore_index: As for `DiceLoss`.
        unannotated: As for `DiceLoss`.
        label_sets: As for `DiceLoss`.

    Returns:
        Values in (0, 1]; shape (B, C) for "I", (B, 1) for "CI", (1, C) for "BI", (1, 1) for "BCI",
        with C one less if the background is left out. NaN for a subset without an annotated map.

    Raises:
        InputError: As for `DiceLoss` and `DiceLoss.forward`.

    Example:
        >>> import torch
        >>> y = torch.tensor([[[0, 0, 1, 1]]])
        >>> soft_dice(torch.tensor([[[[0.0, 0.0, 1.0, 0.0]]]]), y)
        tensor([[0.6667]])
    """
    check_settings(phi, activation, norm)
    reduction = make_reduction(phi, epsilon, include_background)
    settings = make_mask_settings(
        activation, include_background, ignore_index, unannotated, label_sets
    )
    reduction.check(y_pred, activation)
    truth, masks = settings.read(y_pred, y, annotated, mask)
    sums = differentiable_sums(y_pred, truth, activation, norm, masks)
    numerator, denominator = fraction(pool(sums, reduction, masks.share), reduction)
    dice = (numerator / denominator).to(working_dtype(y_pred))
    if masks.share is None:
        return dice
    return dice.masked_fill(subset_weight(masks.share, reduction) == 0, torch.nan)


def dice_gradient(
    y_pred: Tensor,
    y: Tensor,
    phi: Phi = "I",
    epsilon: PerClass = 1e-7,
    *,
    annotated: Tensor | None = None,
    mask: Tensor | None = None,
    activation: Activation | None = None,
    include_background: bool = True,
    norm: Norm = "l1",
    weight: PerClass | None = None,
    ignore_index: int | None = None,
    unannotated: Unannotated = "ignored",
    label_sets: LabelSets | None = None,
) -> Tensor:
    """Return the derivative of the Dice loss by every value of y_pred (Eq. 4).

    Args:
        y_pred: Shape (B, C, *spatial), as for `DiceLoss.forward`.
        y: Label map or maps per class, as for `DiceLoss.forward`.
        phi: The reduction.
        epsilon: Smoothing term in voxels, as for `DiceLoss`.
        annotated: Which maps are annotated, as for `DiceLoss.forward`.
        mask: 0 where a voxel is ignored, as for `DiceLoss.forward`.
        activation: As for `DiceLoss`; with an activation the derivative is by the logits.
        include_background: As for `DiceLoss`.
        norm: As for `DiceLoss`.
        weight: As for `DiceLoss`.
        ignore_index: As for `DiceLoss`.
        unannotated: As for `DiceLoss`.
        label_sets: As for `DiceLoss`.

    Returns:
        Shape and dtype of y_pred. Without an activation, with "l1" and a binary y, it takes two
        values per subset: one where y is 1, one where y is 0. It is exactly 0 at ignored voxels,
        and in a map that is ignored.

    Raises:
        InputError: As for `DiceLoss` and `DiceLoss.forward`.

    Example:
        >>> import torch
        >>> y = torch.tensor([[[0, 0, 1, 1]]])
        >>> dice_gradient(torch.tensor([[[[0.0, 0.0, 1.0, 0.0]]]]), y).flatten()
        tensor([ 0.2222,  0.2222, -0.4444, -0.4444])
    """
    check_settings(phi, activation, norm)
    reduction = make_reduction(phi, epsilon, include_background, weight)
    settings = make_mask_settings(
        activation, include_background, ignore_index, unannotated, label_sets
    )
    reduction.check(y_pred, activation)
    with torch.no_grad():
        truth, masks = settings.read(y_pred, y, annotated, mask)
        sums = overlap_sums(y_pred, truth, activation, norm, masks)
        _, coefficients = loss_and_coefficients(sums, reduction, masks.share)
        return overlap_gradient(y_pred, truth, activation, norm, coefficients, masks)

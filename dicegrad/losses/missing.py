"""Two Dice losses made for missing labels: leaf Dice and marginal Dice.

Without a mask they infer that a class is missing from its map being empty, as their released code
does. A class that is truly empty is then ignored too. Told what is annotated, they infer nothing.
"""

import torch
from torch import Tensor, nn

from dicegrad.errors import InputError
from dicegrad.losses.exclusion import check_exclusion, exclusion, not_empty
from dicegrad.losses.inputs import Activation, Norm, PerClass, check_epsilon, check_settings
from dicegrad.losses.inputs import first_channel as check_prediction
from dicegrad.losses.masks import (
    Masks,
    check_annotated,
    make_mask_settings,
    merge_unannotated,
)
from dicegrad.losses.reduction import inverse
from dicegrad.losses.sums import (
    differentiable_sums,
    maps_per_class,
    merge,
    probabilities,
)
from dicegrad.losses.tile import working_dtype


class LeafDiceLoss(nn.Module):
    """Dice with epsilon below only, over the classes that are annotated or that an element holds.

    Dice is 2 I / (D + epsilon), per element and class (phi "I"), so a class without a true voxel
    has no gradient, annotated or not. Without a mask such a class counts as missing, and its Dice
    is 0 in the mean over all maps: the gradient is that of ``DiceLoss("I",
    include_background=False)`` up to epsilon. With ``annotated`` the mean is over annotated maps.
    Other losses with epsilon below only are the same with the background, or with norm "l2".

    Args:
        epsilon: Smoothing term in voxels, in the denominator only; finite and above 0.
        activation: None if y_pred holds probabilities, "sigmoid" or "softmax" if it holds logits.
        include_background: If True, channel 0 takes part, as for `DiceLoss`; the release leaves it
            out.
        norm: As for `DiceLoss`.
        ignore_index: A value of the label map whose voxels are ignored, as for `DiceLoss`.
    """

    def __init__(
        self,
        epsilon: float = 1e-7,
        *,
        activation: Activation | None = None,
        include_background: bool = False,
        norm: Norm = "l1",
        ignore_index: int | None = None,
    ) -> None:
        super().__init__()
        self.epsilon, self.activation = _settings(epsilon, activation, norm)
        self.include_background, self.norm = include_background, norm
        self.masks = make_mask_settings(activation, include_background, ignore_index, "ignored")

    def forward(
        self,
        y_pred: Tensor,
        y: Tensor,
        annotated: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        case_weight: Tensor | None = None,
    ) -> Tensor:
        """Return 1 - (sum of Dice over the maps that count) / (number of maps), in [0, 1].

        Args:
            y_pred: Shape (B, C, *spatial); channel 0 is the background unless C is 1.
            y: As for `DiceLoss.forward`.
            annotated: As for `DiceLoss.forward`. None takes a class without a true voxel in an
                element for missing there.
            mask: 0 where a voxel is ignored, as for `DiceLoss.forward`.
            case_weight: How often each case counts, as for `DiceLoss.forward`.

        Raises:
            InputError: If shape, dtype or device do not fit.
        """
        check_prediction(y_pred, self.activation, True)
        truth, masks = self.masks.read(y_pred, y, annotated, mask, case_weight)
        sums = differentiable_sums(y_pred, truth, self.activation, self.norm, masks)
        first = 0 if self.include_background or y_pred.shape[1] == 1 else 1
        intersection, predicted, true = sums[:, :, first:]
        dice = 2 * intersection / (predicted + true + self.epsilon)
        if masks.share is None:
            return (1 - (dice * (true > 0)).mean()).to(working_dtype(y_pred))
        share = masks.share[:, first:]
        loss = 1 - dice if annotated is not None else 1 - dice * (true > 0)
        return ((loss * share).sum() * inverse(share.sum())).to(working_dtype(y_pred))


class MarginalDiceLoss(nn.Module):
    """Dice over all classes, background included, with missing classes merged into the background.

    The probability of a missing class is added to the background's before Dice is computed. Without
    a mask, a class without a true voxel in a batch element counts as missing there, and its own
    Dice is 0 in the mean over all maps. With ``annotated`` the mean is over annotated maps, as for
    ``DiceLoss("I", unannotated="marginal")``.

    Args:
        epsilon: Smoothing term in voxels, finite and above 0.
        activation: None if y_pred holds probabilities, "sigmoid" or "softmax" if it holds logits.
        ignore_index: A value of the label map whose voxels are ignored, as for `DiceLoss`.
        exclusion: Factor, at least 0, of the exclusion loss of Shi et al. (2021), which keeps the
            prediction of an annotated class off the voxels that are not of this class: the mean
            of Dice(p, 1 - y) over the annotated foreground maps. Theirs is this minus 1, times 2.
    """

    def __init__(
        self,
        epsilon: float = 1e-7,
        *,
        activation: Activation | None = None,
        ignore_index: int | None = None,
        exclusion: float = 0.0,
    ) -> None:
        super().__init__()
        self.epsilon, self.activation = _settings(epsilon, activation)
        self.exclusion = check_exclusion(exclusion)
        self.masks = make_mask_settings(activation, True, ignore_index, "ignored")

    def forward(
        self,
        y_pred: Tensor,
        y: Tensor,
        annotated: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        case_weight: Tensor | None = None,
    ) -> Tensor:
        """Return 1 - (sum of Dice over the maps that count) / (number of maps), in [0, 1].

        The exclusion loss, where it has a factor, is added to that.

        Args:
            y_pred: Shape (B, C, *spatial); channel 0 is the background. A single channel is the
                foreground, and the background is 1 minus it.
            y: As for `DiceLoss.forward`.
            annotated: As for `DiceLoss.forward`. None takes a class without a true voxel in an
                element for missing there.
            mask: 0 where a voxel is ignored, as for `DiceLoss.forward`.
            case_weight: How often each case counts, as for `DiceLoss.forward`.

        Raises:
            InputError: If shape, dtype or device do not fit.
        """
        check_prediction(y_pred, self.activation, True)
        if self.activation == "sigmoid" and y_pred.shape[1] > 1:
            raise InputError(
                f"activation is 'sigmoid' and y_pred has {y_pred.shape[1]} channels: probabilities "
                "of classes are added up, so they must be one distribution, use 'softmax'"
            )
        truth, masks = self.masks.read(y_pred, y, None, mask, case_weight)
        p, kept = probabilities(y_pred, self.activation), masks.kept(truth)
        known = check_annotated(y_pred, annotated) if annotated is not None else None
        if known is None:
            known = not_empty(p, truth, masks)
        if p.shape[1] == 1:
            truth = truth if kept is None else truth.masked_fill(_spread(~kept, truth), 0)
            truth = maps_per_class(truth, p)
            p, truth = torch.cat([1 - p, p], 1), torch.cat([1 - truth, truth], 1)
            known = known.repeat(1, 2)
        counted = known.to(p.dtype)
        counted[:, 0] = 1
        left = p * counted.reshape(*counted.shape, *[1] * (p.ndim - 2))
        background = left[:, :1] + (p - left).sum(1, keepdim=True)
        merged = torch.cat([background, left[:, 1:]], 1)
        if annotated is not None:
            into, counts = merge_unannotated(known, "marginal")
            truth, counted = _moved(truth, p, into, kept), counts.to(p.dtype)
        sums = differentiable_sums(merged, truth, None, "l1", Masks(kept))
        intersection, predicted, true = sums
        dice = (2 * intersection + self.epsilon) / (predicted + true + self.epsilon)
        if annotated is None and masks.share is None:
            loss = 1 - (dice * counted).mean()
        elif annotated is None and masks.share is not None:
            weight = masks.share[:, :1]
            loss = ((1 - dice * counted) * weight).mean(1).sum() * inverse(weight.sum())
        else:
            share = counted if masks.share is None else counted * masks.share[:, :1]
            loss = ((1 - dice) * share).sum() * inverse(share.sum())
        if self.exclusion:
            loss = loss + self.exclusion * exclusion(sums, counted, kept, p[0, 0].numel())
        return loss.to(working_dtype(y_pred))


def _moved(y: Tensor, y_pred: Tensor, into: Tensor, kept: Tensor | None) -> Tensor:
    """The truth after some classes have joined the background."""
    if y.ndim == y_pred.ndim:
        return merge(y.to(y_pred.dtype), into)
    y = y.long() if kept is None else y.long().masked_fill(~kept, 0)
    return into.gather(1, y.flatten(1)).view(y.shape)


def _spread(mask: Tensor, like: Tensor) -> Tensor:
    return mask if mask.ndim == like.ndim else mask.unsqueeze(1)


def _settings(
    epsilon: PerClass, activation: str | None, norm: str = "l1"
) -> tuple[float, str | None]:
    check_settings("I", activation, norm)
    value = check_epsilon(epsilon, "CI")
    assert isinstance(value, float)  # "CI" takes one number only
    return value, activation

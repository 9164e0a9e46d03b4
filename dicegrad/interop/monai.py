"""The losses under MONAI's argument names, with the annotated maps as a third argument.

Swap `from monai.losses import DiceLoss` for `from dicegrad.interop.monai import DiceLoss`: without
a mask value and gradient are MONAI's. Tested with monai 1.6.1. docs/monai.md has examples.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from monai.losses import DeepSupervisionLoss as _DeepSupervisionLoss
from torch import Tensor, nn

from dicegrad import losses
from dicegrad.errors import InputError
from dicegrad.losses.inputs import Activation, PerClass
from dicegrad.losses.masks import Unannotated
from dicegrad.losses.reduction import Output


def _activation(sigmoid: bool, softmax: bool) -> Activation | None:
    if sigmoid and softmax:
        raise InputError("sigmoid and softmax are both True; choose one")
    return "softmax" if softmax else "sigmoid" if sigmoid else None


def _epsilon(smooth_nr: float, smooth_dr: float) -> float:
    """One epsilon of two smoothing terms."""
    if smooth_nr != smooth_dr:
        raise InputError(
            f"smooth_nr is {smooth_nr:g} and smooth_dr {smooth_dr:g}: they are one epsilon here, "
            "above and below; give both the same value"
        )
    return float(smooth_nr)


class _Loss(nn.Module):
    """A loss of this package behind MONAI's arguments."""

    def __init__(self, loss: nn.Module, to_onehot_y: bool) -> None:
        super().__init__()
        self.loss, self.to_onehot_y = loss, to_onehot_y

    def forward(
        self,
        input: Tensor,
        target: Tensor,
        annotated: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the loss.

        Args:
            input: (B, C, *spatial) logits, or probabilities without an activation.
            target: (B, C, *spatial) maps, or (B, 1, *spatial) labels with ``to_onehot_y=True``.
                It is never made one-hot: a label map is read as it is.
            annotated: (B, C) bool, or (B, C - 1) without the background; None is all of them.
            mask: (B, 1, *spatial), 0 where a voxel is ignored.

        Raises:
            InputError: Shapes, dtypes or values do not fit.
        """
        channels = input.shape[1] if isinstance(input, Tensor) and input.ndim > 1 else 0
        if not self.to_onehot_y and channels > 1 and target.shape != input.shape:
            raise InputError(
                f"target has shape {tuple(target.shape)} and input {tuple(input.shape)}; give one "
                "map per class, or a label map and to_onehot_y=True"
            )
        return self.loss(input, target, annotated, mask)


class DiceLoss(_Loss):
    """`monai.losses.DiceLoss`, which is phi I, or BI with ``batch=True``.

    Args:
        include_background: Whether channel 0 takes part.
        to_onehot_y: Whether the target is a label map.
        sigmoid: Whether the input is logits of independent maps.
        softmax: Whether the input is logits of one distribution.
        squared_pred: Whether the denominator holds squares.
        jaccard: Whether the Jaccard index takes the place of the Dice.
        reduction: "mean", "sum" or "none" (one value per subset).
        smooth_nr: Epsilon; both terms have to be equal.
        smooth_dr: The same.
        batch: Whether the sums run over the batch.
        weight: One factor per class.
        ignore_index: A value of the label map whose voxels are ignored.
        unannotated: What a map that is not annotated is, as for `dicegrad.DiceLoss`.

    Raises:
        InputError: A setting is not allowed.
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        squared_pred: bool = False,
        jaccard: bool = False,
        reduction: Output = "mean",
        smooth_nr: float = 1e-5,
        smooth_dr: float = 1e-5,
        batch: bool = False,
        weight: PerClass | None = None,
        ignore_index: int | None = None,
        unannotated: Unannotated = "ignored",
    ) -> None:
        kind = losses.SoftJaccardLoss if jaccard else losses.DiceLoss
        epsilon = _epsilon(smooth_nr, smooth_dr)
        loss = kind(
            "BI" if batch else "I",
            epsilon / 2 if jaccard else epsilon,
            activation=_activation(sigmoid, softmax),
            include_background=include_background,
            norm="l2" if squared_pred else "l1",
            weight=weight,
            ignore_index=ignore_index,
            unannotated=unannotated,
            reduction=reduction,
        )
        super().__init__(loss, to_onehot_y)


class DiceCELoss(_Loss):
    """`monai.losses.DiceCELoss`: Dice plus cross-entropy, neither of which learns missing maps.

    With ``sigmoid=True`` both terms are of sigmoid maps. MONAI's cross-entropy of several channels
    is that of a softmax then, whatever the Dice has.

    Args:
        include_background: Whether channel 0 takes part in the Dice.
        to_onehot_y: Whether the target is a label map.
        sigmoid: Whether the input is logits of independent maps.
        softmax: Whether the input is logits of one distribution.
        squared_pred: Whether the denominator of the Dice holds squares.
        smooth_nr: Epsilon of the Dice; both terms have to be equal.
        smooth_dr: The same.
        batch: Whether the sums of the Dice run over the batch.
        weight: One factor per channel, for both terms.
        lambda_dice: Factor of the Dice.
        lambda_ce: Factor of the cross-entropy.
        ignore_index: A value of the label map whose voxels are ignored.
        label_smoothing: Of the cross-entropy.
        unannotated: As for `DiceLoss`.

    Raises:
        InputError: A setting is not allowed.
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        squared_pred: bool = False,
        smooth_nr: float = 1e-5,
        smooth_dr: float = 1e-5,
        batch: bool = False,
        weight: Sequence[float] | None = None,
        lambda_dice: float = 1.0,
        lambda_ce: float = 1.0,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        unannotated: Unannotated = "ignored",
    ) -> None:
        activation = _activation(sigmoid, softmax)
        if activation is None:
            raise InputError("sigmoid and softmax are both False; the cross-entropy takes logits")
        loss = losses.DiceCELoss(
            "BI" if batch else "I",
            _epsilon(smooth_nr, smooth_dr),
            activation=activation,
            include_background=include_background,
            norm="l2" if squared_pred else "l1",
            dice_weight=weight[0 if include_background else 1 :] if weight is not None else None,
            ce_weight=weight,
            dice_factor=lambda_dice,
            ce_factor=lambda_ce,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            unannotated=unannotated,
        )
        super().__init__(loss, to_onehot_y)


class TverskyLoss(_Loss):
    """`monai.losses.TverskyLoss`; alpha is the price of a false positive, beta of a false negative.

    Arguments are those of `DiceLoss`.
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: Output = "mean",
        smooth_nr: float = 1e-5,
        smooth_dr: float = 1e-5,
        batch: bool = False,
        ignore_index: int | None = None,
        unannotated: Unannotated = "ignored",
    ) -> None:
        loss = losses.TverskyLoss(
            alpha,
            beta,
            "BI" if batch else "I",
            _epsilon(smooth_nr, smooth_dr),
            activation=_activation(sigmoid, softmax),
            include_background=include_background,
            ignore_index=ignore_index,
            unannotated=unannotated,
            reduction=reduction,
        )
        super().__init__(loss, to_onehot_y)


class GeneralizedDiceLoss(_Loss):
    """`monai.losses.GeneralizedDiceLoss`, which is phi CI, or BCI with ``batch=True``.

    ``w_type`` is "square", "simple" or "uniform"; the other arguments are those of `DiceLoss`.
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        w_type: Literal["square", "simple", "uniform"] = "square",
        reduction: Output = "mean",
        smooth_nr: float = 1e-5,
        smooth_dr: float = 1e-5,
        batch: bool = False,
        unannotated: Unannotated = "ignored",
    ) -> None:
        loss = losses.GeneralizedDiceLoss(
            "BCI" if batch else "CI",
            _epsilon(smooth_nr, smooth_dr),
            weighting=w_type,
            activation=_activation(sigmoid, softmax),
            include_background=include_background,
            unannotated=unannotated,
            reduction=reduction,
        )
        super().__init__(loss, to_onehot_y)


class DeepSupervisionLoss(_DeepSupervisionLoss):
    """MONAI's own, which passes on what is annotated, and brings the mask to each resolution.

    Args:
        loss: One that takes input, target, annotated, mask, such as `DiceCELoss`.
        weight_mode: As MONAI's.
        weights: As MONAI's.
    """

    def forward(  # type: ignore[override] # MONAI's takes None to refuse it
        self,
        input: Tensor | list[Tensor],
        target: Tensor,
        annotated: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the weighted sum over the resolutions.

        Args:
            input: The outputs of the network, finest first, or the one output of a network in
                evaluation mode.
            target: As for the loss, at the finest resolution.
            annotated: As for the loss.
            mask: As for the loss, at the finest resolution.
        """
        outputs = list(input) if isinstance(input, list | tuple) else [input]
        weights = self.get_weights(len(outputs)) if isinstance(input, list | tuple) else [1.0]
        terms = []
        for weight, output in zip(weights, outputs, strict=True):
            resized = partial(_resize, size=output.shape[2:], mode=self.interp_mode)
            here = None if mask is None else resized(mask)
            terms.append(weight * self.loss(output.float(), resized(target), annotated, here))
        return torch.stack(terms).sum()


def _resize(maps: Tensor, size: torch.Size, mode: str) -> Tensor:
    """(B, C, *size), in the dtype that came; labels stay labels."""
    if maps.shape[2:] == size:
        return maps
    resized = nn.functional.interpolate(maps.to(torch.float32), size=size, mode=mode)
    return resized if maps.is_floating_point() else resized.to(maps.dtype)

"""Weighted cross-entropy as a baseline, and its sum with the Dice loss."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dicegrad.errors import InputError
from dicegrad.losses.dice import DiceLoss
from dicegrad.losses.inputs import (
    Activation,
    Norm,
    PerClass,
    Phi,
    as_truth,
    check_choice,
    check_labels,
    check_length,
    check_weight,
    first_channel,
)


class CrossEntropyLoss(nn.Module):
    """Mean cross-entropy over the voxels, from logits, with one weight per class.

    Args:
        activation: "softmax" (one distribution over the channels) or "sigmoid" (one per channel).
        weight: One factor of at least 0 per channel, or None. With "softmax" the mean is divided by
            the weights of the voxels, as in torch; with "sigmoid" a factor scales the foreground
            term of its channel.
    """

    def __init__(
        self, *, activation: Activation = "softmax", weight: PerClass | None = None
    ) -> None:
        super().__init__()
        check_choice("activation", activation, ("softmax", "sigmoid"))
        self.activation, self.weight = activation, check_weight(weight, "I")

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Return the loss, a scalar of at least 0.

        Args:
            y_pred: Logits of shape (B, C, *spatial).
            y: As for `DiceLoss.forward`.

        Raises:
            InputError: As for `DiceLoss.forward`.
        """
        first_channel(y_pred, self.activation, True)
        truth, channels = as_truth(y_pred, y), y_pred.shape[1]
        check_length("weight", self.weight, channels, channels)
        if not torch.compiler.is_compiling():
            check_labels(y_pred, truth)
        half = y_pred.dtype in (torch.float16, torch.bfloat16)
        logits = y_pred.float() if half else y_pred
        weight = None if self.weight is None else logits.new_tensor(self.weight)
        if self.activation == "softmax":
            target = truth.long() if truth.ndim < logits.ndim else truth.to(logits.dtype)
            return F.cross_entropy(logits, target, weight)
        if truth.ndim < logits.ndim:
            labels = torch.arange(channels, device=y.device) if channels > 1 else y.new_ones(1)
            truth = truth.unsqueeze(1) == labels.reshape(1, -1, *[1] * (logits.ndim - 2))
        if weight is not None:
            weight = weight.reshape(-1, *[1] * (logits.ndim - 2))
        return F.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), pos_weight=weight)


class DiceCELoss(nn.Module):
    """A weighted sum of the Dice loss and the cross-entropy, from logits.

    Whatever phi and epsilon are, it learns missing labels as background, as cross-entropy does.

    Args:
        phi: The reduction of the Dice term.
        epsilon: Smoothing term of the Dice term.
        activation: "softmax" or "sigmoid".
        include_background: Whether channel 0 takes part in the Dice term. The cross-entropy is over
            all channels.
        norm: Norm of the Dice term.
        dice_factor: Factor of the Dice term, at least 0.
        ce_factor: Factor of the cross-entropy, at least 0.
        ce_weight: Class weights of the cross-entropy, one per channel.
    """

    def __init__(
        self,
        phi: Phi = "I",
        epsilon: PerClass = 1e-7,
        *,
        activation: Activation = "softmax",
        include_background: bool = True,
        norm: Norm = "l1",
        dice_factor: float = 1.0,
        ce_factor: float = 1.0,
        ce_weight: PerClass | None = None,
    ) -> None:
        super().__init__()
        for name, factor in (("dice_factor", dice_factor), ("ce_factor", ce_factor)):
            if not factor >= 0:
                raise InputError(f"{name} is {factor!r}; it must be at least 0")
        self.dice = DiceLoss(
            phi,
            epsilon,
            activation=activation,
            include_background=include_background,
            norm=norm,
        )
        self.cross_entropy = CrossEntropyLoss(activation=activation, weight=ce_weight)
        self.dice_factor, self.ce_factor = dice_factor, ce_factor

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Return the loss, a scalar of at least 0.

        Args:
            y_pred: Logits of shape (B, C, *spatial).
            y: As for `DiceLoss.forward`.

        Raises:
            InputError: As for `DiceLoss.forward`.
        """
        dice = self.dice_factor * self.dice(y_pred, y)
        return dice + self.ce_factor * self.cross_entropy(y_pred, y)

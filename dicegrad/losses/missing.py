"""Two losses made for missing labels, in their released forms: leaf Dice and marginal Dice."""

import torch
from torch import Tensor, nn

from dicegrad.losses.inputs import Activation, PerClass, as_truth, check_epsilon, check_settings
from dicegrad.losses.inputs import first_channel as check_prediction
from dicegrad.losses.sums import (
    differentiable_sums,
    maps_per_class,
    probabilities,
)
from dicegrad.losses.tiles import working_dtype


class LeafDiceLoss(nn.Module):
    """Dice over the foreground classes that the truth of a batch element holds.

    A class without a true voxel in an element counts as missing there: its Dice is 0 in the mean
    and has no gradient. Dice is 2 I / (D + epsilon), per element and class (phi "I"), so the
    gradient is that of ``DiceLoss("I", include_background=False)`` up to epsilon.

    Args:
        epsilon: Smoothing term in voxels, in the denominator only; finite and above 0.
        activation: None if y_pred holds probabilities, "sigmoid" or "softmax" if it holds logits.
    """

    def __init__(self, epsilon: float = 1e-7, *, activation: Activation | None = None) -> None:
        super().__init__()
        self.epsilon, self.activation = _settings(epsilon, activation)

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Return 1 - (sum of Dice over present classes) / (B x foreground classes), in [0, 1].

        Args:
            y_pred: Shape (B, C, *spatial); channel 0 is the background unless C is 1.
            y: As for `DiceLoss.forward`.

        Raises:
            InputError: If shape, dtype or device do not fit.
        """
        check_prediction(y_pred, self.activation, True)
        sums = differentiable_sums(y_pred, as_truth(y_pred, y), self.activation, "l1")
        intersection, predicted, true = sums[:, :, 1:] if y_pred.shape[1] > 1 else sums
        dice = 2 * intersection / (predicted + true + self.epsilon)
        return (1 - (dice * (true > 0)).mean()).to(working_dtype(y_pred))


class MarginalDiceLoss(nn.Module):
    """Dice over all classes, background included, with missing classes merged into the background.

    A class without a true voxel in a batch element counts as missing there: its probability is
    added to the background's before Dice is computed, and its own Dice is 0 in the mean.

    Args:
        epsilon: Smoothing term in voxels, finite and above 0.
        activation: None if y_pred holds probabilities, "sigmoid" or "softmax" if it holds logits.
    """

    def __init__(self, epsilon: float = 1e-7, *, activation: Activation | None = None) -> None:
        super().__init__()
        self.epsilon, self.activation = _settings(epsilon, activation)

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Return 1 - (sum of Dice over background and present classes) / (B x classes), in [0, 1].

        Args:
            y_pred: Shape (B, C, *spatial); channel 0 is the background. A single channel is the
                foreground, and the background is 1 minus it.
            y: As for `DiceLoss.forward`.

        Raises:
            InputError: If shape, dtype or device do not fit.
        """
        check_prediction(y_pred, self.activation, True)
        p, truth = probabilities(y_pred, self.activation), as_truth(y_pred, y)
        with torch.no_grad():
            volumes = differentiable_sums(p, truth, None, "l1")[2]
        present = (volumes > 0).to(p.dtype)
        if p.shape[1] == 1:
            truth = maps_per_class(truth, p)
            p, truth = torch.cat([1 - p, p], 1), torch.cat([1 - truth, truth], 1)
            present = present.repeat(1, 2)
        present[:, 0] = 1
        kept = p * present.reshape(*present.shape, *[1] * (p.ndim - 2))
        background = kept[:, :1] + (p - kept).sum(1, keepdim=True)
        merged = torch.cat([background, kept[:, 1:]], 1)
        intersection, predicted, true = differentiable_sums(merged, truth, None, "l1")
        dice = (2 * intersection + self.epsilon) / (predicted + true + self.epsilon)
        return (1 - (dice * present).mean()).to(working_dtype(y_pred))


def _settings(epsilon: PerClass, activation: str | None) -> tuple[float, str | None]:
    check_settings("I", activation, "l1")
    return check_epsilon(epsilon, "CI"), activation

"""Two losses made for missing labels, in their released forms: leaf Dice and marginal Dice."""

import torch
from torch import Tensor, nn

from dicegrad.losses.inputs import Activation, PerClass, as_truth, check_epsilon, check_settings
from dicegrad.losses.inputs import first_channel as check_prediction
from dicegrad.losses.sums import maps_per_class, probabilities


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
        p = probabilities(y_pred, self.activation)
        truth = maps_per_class(as_truth(y_pred, y), p)
        p, truth = p.flatten(2), truth.flatten(2)
        if p.shape[1] > 1:
            p, truth = p[:, 1:], truth[:, 1:]
        volume = truth.sum(-1)
        dice = 2 * (p * truth).sum(-1) / (p.sum(-1) + volume + self.epsilon)
        return 1 - (dice * (volume > 0)).mean()


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
        p = probabilities(y_pred, self.activation)
        truth = maps_per_class(as_truth(y_pred, y), p)
        if p.shape[1] == 1:
            p, truth = torch.cat([1 - p, p], 1), torch.cat([1 - truth, truth], 1)
        p, truth = p.flatten(2), truth.flatten(2)
        present = (truth.sum(-1, keepdim=True) > 0).to(p.dtype)
        present[:, 0] = 1
        kept = p * present
        background = kept[:, :1] + (p * (1 - present)).sum(1, keepdim=True)
        merged = torch.cat([background, kept[:, 1:]], 1)
        twice = 2 * (merged * truth).sum(-1) + self.epsilon
        dice = twice / (merged.sum(-1) + truth.sum(-1) + self.epsilon)
        return 1 - (dice * present[..., 0]).mean()


def _settings(epsilon: PerClass, activation: str | None) -> tuple[float, str | None]:
    check_settings("I", activation, "l1")
    return check_epsilon(epsilon, "CI"), activation

"""The Dice loss over any reduction phi, and its derivative in closed form."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dicegrad.losses.inputs import (
    Activation,
    Norm,
    PerClass,
    Phi,
    as_truth,
    check_epsilon,
    check_length,
    check_settings,
    check_weight,
    first_channel,
)
from dicegrad.losses.sums import overlap_gradient, overlap_sums


class DiceLoss(nn.Module):
    """One minus the mean soft Dice over the subsets that phi makes (Eq. 3).

    Args:
        phi: What one Dice is computed over. "I": each class of each batch element; "CI": all
            classes of a batch element; "BI": each class over the batch; "BCI": everything.
        epsilon: Smoothing term in voxels, finite and above 0; one number, or with "I" and "BI" one
            per class that the loss reduces over.
        activation: None if y_pred holds probabilities, "sigmoid" or "softmax" if it holds logits.
        include_background: If False, channel 0 is left out of every sum and of the mean. A softmax
            still runs over all channels.
        norm: "l1" adds the prediction itself to the denominator, "l2" its square.
        weight: With "I" and "BI", one factor of at least 0 per class, applied to 1 - Dice before
            the mean (the mean is not divided by the weights).

    Example:
        >>> import torch
        >>> loss = DiceLoss(phi="BI", epsilon=1e-7, activation="softmax")
        >>> y_pred = torch.zeros(2, 4, 8, 8, 6)
        >>> y = torch.ones(2, 8, 8, 6, dtype=torch.uint8)
        >>> round(loss(y_pred, y).item(), 4)
        0.9
    """

    def __init__(
        self,
        phi: Phi = "I",
        epsilon: PerClass = 1e-7,
        *,
        activation: Activation | None = None,
        include_background: bool = True,
        norm: Norm = "l1",
        weight: PerClass | None = None,
    ) -> None:
        super().__init__()
        check_settings(phi, activation, norm)
        self.phi = phi
        self.epsilon = check_epsilon(epsilon, phi)
        self.activation = activation
        self.include_background = include_background
        self.norm = norm
        self.weight = check_weight(weight, phi)

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Return the loss, a scalar in [0, 1] (float32, or float64 for float64 input).

        Args:
            y_pred: Shape (B, C, *spatial), 2-D or 3-D; probabilities in [0, 1] or logits.
            y: Label map of shape (B, *spatial) or (B, 1, *spatial), or one map per class of shape
                (B, C, *spatial) with values in [0, 1]. In a label map channel c stands for label
                c; if C is 1, the channel stands for label 1.

        Raises:
            InputError: If shape, dtype or device do not fit; the message names what came.
        """
        first = first_channel(y_pred, self.activation, self.include_background)
        truth = as_truth(y_pred, y)
        channels = y_pred.shape[1]
        check_length("epsilon", self.epsilon, channels - first, channels)
        check_length("weight", self.weight, channels - first, channels)
        return _ClosedForm.apply(
            y_pred, truth, self.phi, self.epsilon, self.activation, first, self.norm, self.weight
        )

    def extra_repr(self) -> str:
        """Show the settings in the module's text."""
        return (
            f"phi={self.phi!r}, epsilon={self.epsilon}, activation={self.activation!r}, "
            f"include_background={self.include_background}, norm={self.norm!r}, "
            f"weight={self.weight}"
        )


class _ClosedForm(torch.autograd.Function):
    """Forward Eq. 3 from the sums, backward Eq. 4 from two coefficients per subset."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        y_pred: Tensor,
        y: Tensor,
        phi: str,
        epsilon: float | tuple[float, ...],
        activation: str | None,
        first: int,
        norm: str,
        weight: tuple[float, ...] | None,
    ) -> Tensor:
        sums = overlap_sums(y_pred, y, activation, norm)
        loss, by_intersection, by_predicted = _loss_and_coefficients(
            sums, phi, epsilon, first, weight
        )
        ctx.save_for_backward(y_pred, y, by_intersection, by_predicted)
        ctx.activation, ctx.norm = activation, norm
        return loss.to(torch.promote_types(y_pred.dtype, torch.float32))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        y_pred, y, by_intersection, by_predicted = ctx.saved_tensors
        gradient = overlap_gradient(
            y_pred,
            y,
            ctx.activation,
            ctx.norm,
            upstream * by_intersection,
            upstream * by_predicted,
        )
        return gradient, None, None, None, None, None, None, None


def dice_loss(
    y_pred: Tensor,
    y: Tensor,
    phi: Phi = "I",
    epsilon: PerClass = 1e-7,
    *,
    activation: Activation | None = None,
    include_background: bool = True,
    norm: Norm = "l1",
    weight: PerClass | None = None,
) -> Tensor:
    """Return the Dice loss (Eq. 3), a scalar; `DiceLoss` documents the arguments."""
    loss = DiceLoss(
        phi,
        epsilon,
        activation=activation,
        include_background=include_background,
        norm=norm,
        weight=weight,
    )
    return loss(y_pred, y)


def soft_dice(
    y_pred: Tensor,
    y: Tensor,
    phi: Phi = "I",
    epsilon: PerClass = 1e-7,
    *,
    activation: Activation | None = None,
    include_background: bool = True,
    norm: Norm = "l1",
) -> Tensor:
    """Return the soft Dice of every subset (the fraction in Eq. 3), without a gradient.

    Args:
        y_pred: As for `DiceLoss.forward`.
        y: As for `DiceLoss.forward`.
        phi: The reduction.
        epsilon: Smoothing term, as for `DiceLoss`.
        activation: As for `DiceLoss`.
        include_background: As for `DiceLoss`.
        norm: As for `DiceLoss`.

    Returns:
        Values in (0, 1]; shape (B, C) for "I", (B, 1) for "CI", (1, C) for "BI", (1, 1) for "BCI",
        with C one less if the background is left out.

    Raises:
        InputError: As for `DiceLoss`.
    """
    check_settings(phi, activation, norm)
    epsilon = check_epsilon(epsilon, phi)
    first = first_channel(y_pred, activation, include_background)
    check_length("epsilon", epsilon, y_pred.shape[1] - first, y_pred.shape[1])
    with torch.no_grad():
        sums = overlap_sums(y_pred, as_truth(y_pred, y), activation, norm)
        twice, total = _fraction(sums, phi, epsilon, first)
        return (twice / total).to(torch.promote_types(y_pred.dtype, torch.float32))


def dice_gradient(
    y_pred: Tensor,
    y: Tensor,
    phi: Phi = "I",
    epsilon: PerClass = 1e-7,
    *,
    activation: Activation | None = None,
    include_background: bool = True,
    norm: Norm = "l1",
    weight: PerClass | None = None,
) -> Tensor:
    """Return the derivative of the Dice loss with respect to every value of y_pred (Eq. 4).

    Args:
        y_pred: As for `DiceLoss.forward`.
        y: As for `DiceLoss.forward`.
        phi: The reduction.
        epsilon: Smoothing term, as for `DiceLoss`.
        activation: As for `DiceLoss`; with an activation the derivative is by the logits.
        include_background: As for `DiceLoss`.
        norm: As for `DiceLoss`.
        weight: As for `DiceLoss`.

    Returns:
        Shape and dtype of y_pred.

    Raises:
        InputError: As for `DiceLoss`.
    """
    check_settings(phi, activation, norm)
    epsilon, weight = check_epsilon(epsilon, phi), check_weight(weight, phi)
    first = first_channel(y_pred, activation, include_background)
    truth, channels = as_truth(y_pred, y), y_pred.shape[1]
    check_length("epsilon", epsilon, channels - first, channels)
    check_length("weight", weight, channels - first, channels)
    with torch.no_grad():
        sums = overlap_sums(y_pred, truth, activation, norm)
        _, *coefficients = _loss_and_coefficients(sums, phi, epsilon, first, weight)
        return overlap_gradient(y_pred, truth, activation, norm, *coefficients)


def _fraction(
    sums: Tensor, phi: str, epsilon: float | tuple[float, ...], first: int
) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of the soft Dice of every subset, from sums of shape (3, B, C)."""
    sums = sums[:, :, first:]
    if "B" in phi:
        sums = sums.sum(1, keepdim=True)
    if "C" in phi:
        sums = sums.sum(2, keepdim=True)
    if isinstance(epsilon, tuple):
        epsilon = sums.new_tensor(epsilon)
    intersection, predicted, true = sums
    return 2 * intersection + epsilon, predicted + true + epsilon


def _loss_and_coefficients(
    sums: Tensor,
    phi: str,
    epsilon: float | tuple[float, ...],
    first: int,
    weight: tuple[float, ...] | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss (Eq. 3) and its derivatives by intersection and predicted volume (Eq. 4).

    The two derivatives have shape (B, C) and are 0 for a background that is left out.
    """
    numerator, denominator = _fraction(sums, phi, epsilon, first)
    dice = numerator / denominator
    share = 1 / dice.numel()  # 1 / |Phi|
    factor = share if weight is None else share * sums.new_tensor(weight)
    loss = ((1 - dice) * factor).sum()
    by_intersection = -2 * factor / denominator
    by_predicted = factor * dice / denominator
    whole = sums.new_zeros(2, *sums.shape[1:])
    whole[0, :, first:] = by_intersection
    whole[1, :, first:] = by_predicted
    return loss, whole[0], whole[1]

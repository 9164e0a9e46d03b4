"""The Dice loss over any reduction phi, and its derivative in closed form."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dicegrad.errors import InputError
from dicegrad.losses.inputs import Activation, Norm, PerClass, Phi, as_truth, check_settings
from dicegrad.losses.reduction import (
    Reduction,
    fraction,
    loss_and_coefficients,
    make_reduction,
    mean_loss,
)
from dicegrad.losses.sums import (
    differentiable_sums,
    needs_plain,
    overlap_gradient,
    overlap_sums,
    plain_sums,
)
from dicegrad.losses.tiles import working_dtype

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


class DiceLoss(nn.Module):
    """One minus the mean soft Dice over the subsets that phi makes (Eq. 3).

    Forward needs three sums per batch element and channel, backward two coefficients per subset
    (Eq. 4): neither probabilities nor one-hot maps are kept.

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
        process_group: With "BI" and "BCI", the processes of data-parallel training whose batches
            count as one, such as ``torch.distributed.group.WORLD``. None reduces over the batch of
            this process alone.

    Raises:
        InputError: If a setting is not allowed; the message names what came and what is.

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
        process_group: "ProcessGroup | None" = None,
    ) -> None:
        super().__init__()
        check_settings(phi, activation, norm)
        self.reduction = make_reduction(phi, epsilon, include_background, weight, process_group)
        self.activation = activation
        self.norm = norm

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Return the loss, a scalar in [0, 1] (float32, or float64 for float64 input).

        Args:
            y_pred: Shape (B, C, *spatial), 2-D or 3-D; probabilities in [0, 1] or logits.
            y: Label map of shape (B, *spatial) or (B, 1, *spatial), or one map per class of shape
                (B, C, *spatial) with values in [0, 1]. In a label map channel c stands for label
                c; if C is 1, the channel stands for label 1 and the only other label is 0.

        Raises:
            InputError: If shape, dtype, device or range do not fit; the message names what came.
        """
        self.reduction.check(y_pred, self.activation)
        truth = as_truth(y_pred, y)
        if needs_plain(truth):
            return _plain_loss(y_pred, truth, self.activation, self.norm, self.reduction)
        return _ClosedForm.apply(y_pred, truth, self.activation, self.norm, self.reduction)

    def extra_repr(self) -> str:
        """Show the settings in the module's text."""
        r = self.reduction
        return (
            f"phi={r.phi!r}, epsilon={r.epsilon}, activation={self.activation!r}, "
            f"include_background={r.include_background}, norm={self.norm!r}, weight={r.weight}"
        )


class _ClosedForm(torch.autograd.Function):
    """Forward Eq. 3 from the sums, backward Eq. 4 from two coefficients per subset."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        y_pred: Tensor,
        y: Tensor,
        activation: str | None,
        norm: str,
        reduction: Reduction,
    ) -> Tensor:
        sums = overlap_sums(y_pred, y, activation, norm)
        loss, coefficients = loss_and_coefficients(sums, reduction)
        ctx.save_for_backward(y_pred, y, coefficients)
        ctx.settings = activation, norm, reduction
        return torch.as_tensor(loss, dtype=working_dtype(y_pred))

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        y_pred, y, coefficients = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative is wanted: let autograd see the formula
            loss = _plain_loss(y_pred, y, *ctx.settings)
            (gradient,) = torch.autograd.grad(loss, y_pred, upstream, create_graph=True)
        else:
            activation, norm, _ = ctx.settings
            gradient = overlap_gradient(y_pred, y, activation, norm, upstream * coefficients)
        return gradient, None, None, None, None


def _plain_loss(
    y_pred: Tensor, y: Tensor, activation: str | None, norm: str, reduction: Reduction
) -> Tensor:
    """Eq. 3 as autograd and the compiler see it."""
    if reduction.process_group is not None and "B" in reduction.phi:
        raise InputError(
            "process_group is set, and a batch over several processes has no second derivative, no "
            "gradient for y and no compiled form: leave the loss out of torch.compile, detach y"
        )
    numerator, denominator = fraction(plain_sums(y_pred, y, activation, norm), reduction)
    return mean_loss(numerator / denominator, reduction)


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
    """Return the Dice loss (Eq. 3), a scalar in [0, 1].

    Args:
        y_pred: Shape (B, C, *spatial), as for `DiceLoss.forward`.
        y: Label map or maps per class, as for `DiceLoss.forward`.
        phi: The reduction, as for `DiceLoss`.
        epsilon: Smoothing term in voxels, as for `DiceLoss`.
        activation: As for `DiceLoss`.
        include_background: As for `DiceLoss`.
        norm: As for `DiceLoss`.
        weight: As for `DiceLoss`.

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
    """Return the soft Dice of every subset (the fraction in Eq. 3).

    Args:
        y_pred: Shape (B, C, *spatial), as for `DiceLoss.forward`.
        y: Label map or maps per class, as for `DiceLoss.forward`.
        phi: The reduction.
        epsilon: Smoothing term in voxels, as for `DiceLoss`.
        activation: As for `DiceLoss`.
        include_background: As for `DiceLoss`.
        norm: As for `DiceLoss`.

    Returns:
        Values in (0, 1]; shape (B, C) for "I", (B, 1) for "CI", (1, C) for "BI", (1, 1) for "BCI",
        with C one less if the background is left out.

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
    reduction.check(y_pred, activation)
    sums = differentiable_sums(y_pred, as_truth(y_pred, y), activation, norm)
    numerator, denominator = fraction(sums, reduction)
    return (numerator / denominator).to(working_dtype(y_pred))


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
    """Return the derivative of the Dice loss by every value of y_pred (Eq. 4).

    Args:
        y_pred: Shape (B, C, *spatial), as for `DiceLoss.forward`.
        y: Label map or maps per class, as for `DiceLoss.forward`.
        phi: The reduction.
        epsilon: Smoothing term in voxels, as for `DiceLoss`.
        activation: As for `DiceLoss`; with an activation the derivative is by the logits.
        include_background: As for `DiceLoss`.
        norm: As for `DiceLoss`.
        weight: As for `DiceLoss`.

    Returns:
        Shape and dtype of y_pred. Without an activation, with "l1" and a binary y, it takes two
        values per subset: one where y is 1, one where y is 0.

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
    reduction.check(y_pred, activation)
    truth = as_truth(y_pred, y)
    with torch.no_grad():
        sums = overlap_sums(y_pred, truth, activation, norm)
        _, coefficients = loss_and_coefficients(sums, reduction)
        return overlap_gradient(y_pred, truth, activation, norm, coefficients)

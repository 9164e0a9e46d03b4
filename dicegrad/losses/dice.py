"""The Dice loss over any reduction phi, and its derivative in closed form."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dicegrad.errors import InputError
from dicegrad.losses.inputs import Activation, Norm, PerClass, Phi, as_plain, check_settings
from dicegrad.losses.label_sets import LabelSets
from dicegrad.losses.masks import Masks, Unannotated, make_mask_settings
from dicegrad.losses.reduction import (
    Output,
    Reduction,
    fraction,
    loss_and_coefficients,
    make_reduction,
    pool,
    reduce_loss,
    subset_weight,
)
from dicegrad.losses.seen import Seen
from dicegrad.losses.sums import (
    checked_plain_sums,
    fused_for,
    needs_plain,
    overlap_gradient,
    overlap_sums,
    plain_is_faster,
    plain_sums,
)
from dicegrad.losses.tile import working_dtype

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
            count as one: "world", or a group that ``torch.distributed.new_group`` returned. None
            reduces over the batch of this process alone, as "I" and "CI" always do.
        ignore_index: A value of the label map whose voxels are ignored, as those of ``mask`` are.
        unannotated: What a map that is not annotated is. "ignored": it leaves the sums and the
            mean. Where a softmax is followed by a Dice of the background, background is then
            "background or one of the classes that are not annotated", whose probability is
            q = p_0 + sum of p_c over these classes. "marginal": the same, and q takes part in any
            case; without an activation, the channels are taken for a distribution.
        label_sets: Values of the label map that stand for a set of channels, as in
            ``{255: (1, 3)}``. In a case where a set occurs, the map of the union stands in place
            of those of its classes. Needs ``unannotated="marginal"``.
        reduction: "mean" over the subsets, "sum", or "none" for one value per subset.

    Raises:
        InputError: If a setting is not allowed; the message names what came and what is.

    Example:
        >>> import torch
        >>> loss = DiceLoss(phi="BI", epsilon=1e-7, activation="softmax")
        >>> y_pred = torch.zeros(2, 4, 8, 8, 6)
        >>> y = torch.ones(2, 8, 8, 6, dtype=torch.uint8)
        >>> round(loss(y_pred, y).item(), 4)
        0.9
        >>> annotated = torch.tensor([[True, True, False, False]] * 2)  # classes 2, 3: not drawn
        >>> round(loss(y_pred, y, annotated).item(), 4)  # of background 0, of class 1 0.4
        0.8
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
        process_group: "ProcessGroup | str | None" = None,
        ignore_index: int | None = None,
        unannotated: Unannotated = "ignored",
        label_sets: LabelSets | None = None,
        reduction: Output = "mean",
    ) -> None:
        super().__init__()
        check_settings(phi, activation, norm)
        self.reduction = make_reduction(
            phi, epsilon, include_background, weight, process_group, reduction
        )
        self.masks = make_mask_settings(
            activation, include_background, ignore_index, unannotated, label_sets
        )
        self.activation = activation
        self.norm = norm
        self.seen: Seen | None = None  # set by a push meter

    def forward(
        self,
        y_pred: Tensor,
        y: Tensor,
        annotated: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        case_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, in [0, 1] (float32, or float64 for float64 input).

        Args:
            y_pred: Shape (B, C, *spatial), 2-D or 3-D; probabilities in [0, 1] or logits.
            y: Label map of shape (B, *spatial) or (B, 1, *spatial), or one map per class of shape
                (B, C, *spatial) with values in [0, 1]. In a label map channel c stands for label
                c; if C is 1, the channel stands for label 1 and the only other label is 0.
            annotated: Which maps are annotated: bool of shape (B, C), or (B, C - 1) for the
                foreground, where channel 0 is background. None: all of them.
            mask: 0 where a voxel is ignored; shape (B, 1, *spatial) or (B, *spatial). What y holds
                there does not matter.
            case_weight: How often each case counts, of at least 0, shape (B,): a weight of 2 is
                the case twice in the batch, 0 is a batch without it.

        Returns:
            A scalar, or with ``reduction="none"`` one value per subset, of the shape that
            `soft_dice` returns. It is 0, with gradient 0, where no map is annotated.

        Raises:
            InputError: If shape, dtype, device or range do not fit; the message names what came.
        """
        self.reduction.check(y_pred, self.activation)
        truth, masks = self.masks.read(y_pred, y, annotated, mask, case_weight)
        if needs_plain(truth):
            return plain_loss(y_pred, truth, self.activation, self.norm, self.reduction, masks)
        seen = self.seen if y_pred.requires_grad and case_weight is None else None
        if seen is None and self._plain_is_faster(y_pred, truth):
            return plain_loss(
                y_pred, truth, self.activation, self.norm, self.reduction, masks, checked_plain_sums
            )
        if seen is not None:
            seen.begin(y_pred, y, annotated, mask)
        return _ClosedForm.apply(
            y_pred, truth, masks, self.activation, self.norm, self.reduction, seen
        )

    def _plain_is_faster(self, y_pred: Tensor, y: Tensor) -> bool:
        return not self.reduction.shared and plain_is_faster(y_pred, y)

    def extra_repr(self) -> str:
        """Show the settings in the module's text."""
        return f"{describe(self.reduction, self.masks)}, norm={self.norm!r}"


def describe(reduction: Reduction, masks: Any) -> str:  # noqa: ANN401
    """The settings as they were given; those that are seldom used only where they are."""
    text = (
        f"phi={reduction.phi!r}, epsilon={reduction.epsilon}, activation={masks.activation!r}, "
        f"include_background={reduction.include_background}, weight={reduction.weight}"
    )
    seldom = {
        "process_group": (reduction.process_group, None),
        "ignore_index": (masks.ignore_index, None),
        "unannotated": (masks.unannotated, "ignored"),
        "label_sets": (masks.label_sets, None),
        "reduction": (reduction.output, "mean"),
    }
    used = [f", {name}={value!r}" for name, (value, usual) in seldom.items() if value != usual]
    return text + "".join(used)


class _ClosedForm(torch.autograd.Function):
    """Forward Eq. 3 from the sums, backward Eq. 4 from two coefficients per subset."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        y_pred: Tensor,
        y: Tensor,
        masks: Masks,
        activation: str | None,
        norm: str,
        reduction: Reduction,
        seen: Seen | None,
    ) -> Tensor:
        settings = (activation, norm, reduction, masks)
        loss, coefficients, sums = _between_passes(y_pred, y, *settings, seen is not None)
        if seen is not None and sums is not None:
            seen.keep(sums, coefficients, masks)
        ctx.save_for_backward(y_pred, y, coefficients)
        ctx.masks, ctx.settings = masks, (activation, norm, reduction)
        return torch.as_tensor(loss, dtype=working_dtype(y_pred))

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        y_pred, y, coefficients = ctx.saved_tensors
        masks, (activation, norm, reduction) = ctx.masks, ctx.settings
        if torch.is_grad_enabled():  # a second derivative is wanted: let autograd see the formula
            loss = plain_loss(y_pred, y, activation, norm, reduction, masks)
            (gradient,) = torch.autograd.grad(loss, y_pred, upstream, create_graph=True)
        else:
            if upstream.ndim == 2:  # one value per subset; a background left out has none
                upstream = torch.nn.functional.pad(
                    upstream.expand(-1, coefficients.shape[2] - reduction.first),
                    (reduction.first, 0),
                )
            gradient = overlap_gradient(y_pred, y, activation, norm, coefficients, masks, upstream)
        return gradient, None, None, None, None, None, None


def _between_passes(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    reduction: Reduction,
    masks: Masks,
    keeps_sums: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The loss, its coefficients and, if they are kept, the sums that they come from."""
    fused = fused_for(y_pred, y, masks)
    if fused and fused.loss_fits(y_pred, reduction):
        found = fused.fused_loss(as_plain(y_pred), y, activation, norm, reduction, masks)
        return found.value, found.coefficients, found.sums
    sums = overlap_sums(y_pred, y, activation, norm, masks)
    kept = sums.clone() if keeps_sums else None
    loss, coefficients = loss_and_coefficients(sums, reduction, masks.share)
    return loss, coefficients, kept


def plain_loss(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    reduction: Reduction,
    masks: Masks,
    sums_of: Callable[..., Tensor] = plain_sums,
) -> Tensor:
    """Eq. 3 as autograd and the compiler see it."""
    if reduction.shared:
        raise InputError(
            "process_group is set, and a batch over several processes has no second derivative, no "
            "gradient for y and no compiled form: leave the loss out of torch.compile, detach y"
        )
    share = masks.share
    sums = sums_of(y_pred, y, activation, norm, masks)
    numerator, denominator = fraction(pool(sums, reduction, share), reduction)
    weight = None if share is None else subset_weight(share, reduction)
    return reduce_loss(numerator / denominator, reduction, weight).to(sums.dtype)

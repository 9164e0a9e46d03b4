"""Relatives of the Dice loss that read the same three sums: Tversky and soft Jaccard."""

from torch import Tensor, nn

from dicegrad.errors import InputError
from dicegrad.losses.dice import describe
from dicegrad.losses.inputs import Activation, Norm, PerClass, Phi, check_settings
from dicegrad.losses.label_sets import LabelSets
from dicegrad.losses.masks import Unannotated, make_mask_settings
from dicegrad.losses.reduction import (
    Output,
    make_reduction,
    per_class,
    pool,
    reduce_loss,
    subset_weight,
)
from dicegrad.losses.sums import differentiable_sums
from dicegrad.losses.tile import working_dtype


class _OverlapLoss(nn.Module):
    """One minus the mean of a measure of overlap, computed from the sums of every subset."""

    def __init__(
        self,
        phi: Phi = "I",
        epsilon: PerClass = 1e-7,
        *,
        activation: Activation | None = None,
        include_background: bool = True,
        norm: Norm = "l1",
        weight: PerClass | None = None,
        ignore_index: int | None = None,
        unannotated: Unannotated = "ignored",
        label_sets: LabelSets | None = None,
        reduction: Output = "mean",
    ) -> None:
        super().__init__()
        check_settings(phi, activation, norm)
        self.reduction = make_reduction(phi, epsilon, include_background, weight, output=reduction)
        self.masks = make_mask_settings(
            activation, include_background, ignore_index, unannotated, label_sets
        )
        self.norm = norm

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
        reduction, activation = self.reduction, self.masks.activation
        reduction.check(y_pred, activation)
        truth, masks = self.masks.read(y_pred, y, annotated, mask, case_weight)
        sums = differentiable_sums(y_pred, truth, activation, self.norm, masks)
        pooled = pool(sums, reduction, masks.share)
        measured = self._measure(pooled, per_class(reduction.epsilon, pooled))
        weight = None if masks.share is None else subset_weight(masks.share, reduction)
        return reduce_loss(measured, reduction, weight).to(working_dtype(y_pred))

    def _measure(self, sums: Tensor, epsilon: float | Tensor) -> Tensor:
        """From the pooled sums (3, B, C) and epsilon to one value per subset."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show the settings in the module's text."""
        return f"{describe(self.reduction, self.masks)}, norm={self.norm!r}"


class TverskyLoss(_OverlapLoss):
    """One minus the mean Tversky index, over phi's subsets (Salehi et al. 2017).

    The index is (I + epsilon) / (I + alpha FP + beta FN + epsilon), where FP = P - I and
    FN = T - I; I is the intersection, P the predicted and T the true volume of a subset. With
    alpha = beta = 1/2 it is the Dice with twice this epsilon, with alpha = beta = 1 the Jaccard.

    Args:
        alpha: Price of a false positive, at least 0.
        beta: Price of a false negative, at least 0; at least one of the two is above 0.
        phi: The reduction, as for `DiceLoss`.
        epsilon: Smoothing term in voxels, finite and above 0; one number or one per class.
        activation: None if y_pred holds probabilities, "sigmoid" or "softmax" if it holds logits.
        include_background: If False, channel 0 is left out of every sum and of the mean.
        norm: "l1" takes the prediction itself for its volume, "l2" its square.
        weight: With "I" and "BI", one factor of at least 0 per class, as for `DiceLoss`.
        ignore_index: As for `DiceLoss`.
        unannotated: As for `DiceLoss`.
        label_sets: As for `DiceLoss`.
        reduction: As for `DiceLoss`.

    Raises:
        InputError: If a setting is not allowed.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        phi: Phi = "I",
        epsilon: PerClass = 1e-7,
        *,
        activation: Activation | None = None,
        include_background: bool = True,
        norm: Norm = "l1",
        weight: PerClass | None = None,
        ignore_index: int | None = None,
        unannotated: Unannotated = "ignored",
        label_sets: LabelSets | None = None,
        reduction: Output = "mean",
    ) -> None:
        super().__init__(
            phi,
            epsilon,
            activation=activation,
            include_background=include_background,
            norm=norm,
            weight=weight,
            ignore_index=ignore_index,
            unannotated=unannotated,
            label_sets=label_sets,
            reduction=reduction,
        )
        for name, price in (("alpha", alpha), ("beta", beta)):
            if not 0 <= price < float("inf"):
                raise InputError(f"{name} is {price!r}; it must be finite and at least 0")
        if alpha + beta == 0:
            raise InputError("alpha and beta are both 0: the index would be 1 for any prediction")
        self.alpha, self.beta = float(alpha), float(beta)

    def _measure(self, sums: Tensor, epsilon: float | Tensor) -> Tensor:
        intersection, predicted, true = sums
        wrong = self.alpha * (predicted - intersection) + self.beta * (true - intersection)
        return (intersection + epsilon) / (intersection + wrong + epsilon)

    def extra_repr(self) -> str:
        """Show the settings in the module's text."""
        return f"alpha={self.alpha}, beta={self.beta}, {super().extra_repr()}"


class SoftJaccardLoss(_OverlapLoss):
    """One minus the mean soft Jaccard, (I + epsilon) / (P + T - I + epsilon), over phi's subsets.

    I is the intersection, P the predicted and T the true volume of a subset.

    Args:
        phi: The reduction, as for `DiceLoss`.
        epsilon: Smoothing term in voxels, finite and above 0; one number or one per class.
        activation: None if y_pred holds probabilities, "sigmoid" or "softmax" if it holds logits.
        include_background: If False, channel 0 is left out of every sum and of the mean.
        norm: "l1" takes the prediction itself for its volume, "l2" its square.
        weight: With "I" and "BI", one factor of at least 0 per class, as for `DiceLoss`.
        ignore_index: As for `DiceLoss`.
        unannotated: As for `DiceLoss`.
        label_sets: As for `DiceLoss`.
        reduction: As for `DiceLoss`.

    Raises:
        InputError: If a setting is not allowed.
    """

    def _measure(self, sums: Tensor, epsilon: float | Tensor) -> Tensor:
        intersection, predicted, true = sums
        union = predicted + true - intersection
        return (intersection + epsilon) / (union + epsilon)

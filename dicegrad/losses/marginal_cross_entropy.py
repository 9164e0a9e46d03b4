"""Cross-entropy in which missing classes are one with the background."""

from torch import Tensor

from dicegrad.errors import InputError
from dicegrad.losses.cross_entropy import CrossEntropyLoss
from dicegrad.losses.exclusion import check_exclusion, exclusion, not_empty
from dicegrad.losses.inputs import PerClass
from dicegrad.losses.inputs import first_channel as check_prediction
from dicegrad.losses.label_sets import LabelSets
from dicegrad.losses.masks import Masks, check_annotated
from dicegrad.losses.sums import differentiable_sums


class MarginalCrossEntropyLoss(CrossEntropyLoss):
    """Cross-entropy of a softmax in which missing classes are one with the background.

    A voxel labelled background, in a case whose classes U are missing, costs -log q, where
    q = p_0 + sum of p_c over U: `CrossEntropyLoss` with ``annotated``. Without a mask, a class
    without a true voxel in a batch element counts as missing there.

    Args:
        weight: As for `CrossEntropyLoss`.
        ignore_index: As for `CrossEntropyLoss`.
        label_sets: As for `CrossEntropyLoss`.
        label_smoothing: As for `CrossEntropyLoss`.
        gamma: As for `CrossEntropyLoss`.
        top_k: As for `CrossEntropyLoss`.
        exclusion: As for `MarginalDiceLoss`.
    """

    def __init__(
        self,
        *,
        weight: PerClass | None = None,
        ignore_index: int | None = None,
        label_sets: LabelSets | None = None,
        label_smoothing: float = 0.0,
        gamma: float = 0.0,
        top_k: float = 1.0,
        exclusion: float = 0.0,
    ) -> None:
        super().__init__(
            weight=weight,
            ignore_index=ignore_index,
            label_sets=label_sets,
            label_smoothing=label_smoothing,
            gamma=gamma,
            top_k=top_k,
        )
        self.exclusion = check_exclusion(exclusion)

    def forward(
        self,
        y_pred: Tensor,
        y: Tensor,
        annotated: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        case_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, at least 0; 0 with gradient 0 where no voxel is left.

        Args:
            y_pred: Logits of shape (B, C, *spatial), two channels or more.
            y: As for `DiceLoss.forward`.
            annotated: As for `DiceLoss.forward`. None takes a class without a true voxel in an
                element for missing there.
            mask: 0 where a voxel is ignored, as for `DiceLoss.forward`.
            case_weight: How often each case counts, as for `DiceLoss.forward`.

        Raises:
            InputError: As for `DiceLoss.forward`.
        """
        check_prediction(y_pred, "softmax", True)
        truth, masks = self.masks.read(y_pred, y, None, mask)
        if annotated is None:
            kept = masks.kept(truth)
            for label in self.label_sets or ():
                kept = truth != label if kept is None else kept & (truth != label)
            annotated = not_empty(y_pred.detach(), truth, Masks(kept), "softmax")
        loss = super().forward(y_pred, y, annotated, mask, case_weight=case_weight)
        if not self.exclusion:
            return loss
        if self.label_sets:
            raise InputError("exclusion was given with label_sets: it needs whole annotated maps")
        sums = differentiable_sums(y_pred, truth, "softmax", "l1", masks)
        counted = check_annotated(y_pred, annotated).to(sums.dtype)
        apart = exclusion(sums, counted, masks.kept(truth), y_pred[0, 0].numel())
        return loss + self.exclusion * apart.to(loss.dtype)

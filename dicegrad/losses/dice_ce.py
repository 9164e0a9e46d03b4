"""The sum of the Dice loss and the cross-entropy, the usual loss of segmentation networks."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from dicegrad.errors import InputError
from dicegrad.losses.cross_entropy import CrossEntropyLoss
from dicegrad.losses.dice import DiceLoss
from dicegrad.losses.inputs import Activation, Norm, PerClass, Phi
from dicegrad.losses.label_sets import LabelSets
from dicegrad.losses.masks import Unannotated

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


class DiceCELoss(nn.Module):
    """A weighted sum of the Dice loss and the cross-entropy, from logits.

    Without a mask it learns missing labels as background whatever phi and epsilon are, as
    cross-entropy does. Told what is annotated, neither term does.

    Args:
        phi: The reduction of the Dice term.
        epsilon: Smoothing term of the Dice term.
        activation: "softmax" or "sigmoid".
        include_background: Whether channel 0 takes part in the Dice term. The cross-entropy is over
            all channels.
        norm: Norm of the Dice term.
        dice_factor: Factor of the Dice term, at least 0.
        ce_factor: Factor of the cross-entropy, at least 0.
        dice_weight: Class weights of the Dice term, as for `DiceLoss`.
        ce_weight: Class weights of the cross-entropy, one per channel.
        process_group: Of the Dice term, as for `DiceLoss`.
        ignore_index: A value of the label map whose voxels are ignored by both terms.
        unannotated: As for `DiceLoss`; it is of the Dice term, the cross-entropy is the same for
            both words.
        label_sets: As for `DiceLoss` and `CrossEntropyLoss`.
        label_smoothing: Of the cross-entropy, as for `CrossEntropyLoss`.
        gamma: Of the cross-entropy, as for `CrossEntropyLoss`.
        top_k: Of the cross-entropy, as for `CrossEntropyLoss`.

    Raises:
        InputError: If a setting is not allowed.
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
        dice_weight: PerClass | None = None,
        ce_weight: PerClass | None = None,
        process_group: "ProcessGroup | str | None" = None,
        ignore_index: int | None = None,
        unannotated: Unannotated = "ignored",
        label_sets: LabelSets | None = None,
        label_smoothing: float = 0.0,
        gamma: float = 0.0,
        top_k: float = 1.0,
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
            weight=dice_weight,
            process_group=process_group,
            ignore_index=ignore_index,
            unannotated=unannotated,
            label_sets=label_sets,
        )
        self.cross_entropy = CrossEntropyLoss(
            activation=activation,
            weight=ce_weight,
            ignore_index=ignore_index,
            unannotated=unannotated,
            label_sets=label_sets,
            label_smoothing=label_smoothing,
            gamma=gamma,
            top_k=top_k,
        )
        self.dice_factor, self.ce_factor = dice_factor, ce_factor

    def forward(
        self,
        y_pred: Tensor,
        y: Tensor,
        annotated: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        case_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, a scalar of at least 0.

        Args:
            y_pred: Logits of shape (B, C, *spatial).
            y: As for `DiceLoss.forward`.
            annotated: Which maps are annotated, as for `DiceLoss.forward`.
            mask: 0 where a voxel is ignored, as for `DiceLoss.forward`.
            case_weight: How often each case counts, as for `DiceLoss.forward`.

        Raises:
            InputError: As for `DiceLoss.forward`.
        """
        dice = self.dice(y_pred, y, annotated, mask, case_weight=case_weight)
        cross_entropy = self.cross_entropy(y_pred, y, annotated, mask, case_weight=case_weight)
        return self.dice_factor * dice + self.ce_factor * cross_entropy

    def extra_repr(self) -> str:
        """Show the two factors; the terms show the rest."""
        return f"dice_factor={self.dice_factor}, ce_factor={self.ce_factor}"

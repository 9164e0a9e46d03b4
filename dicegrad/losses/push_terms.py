"""Which losses the push meter measures, and the terms that they are made of."""

from dataclasses import dataclass

from dicegrad.errors import InputError
from dicegrad.losses.cross_entropy import CrossEntropyLoss
from dicegrad.losses.dice import DiceLoss
from dicegrad.losses.dice_ce import DiceCELoss
from dicegrad.losses.masks import MaskSettings


def can_be_measured(loss: object) -> bool:
    """Whether `map_push` takes this loss."""
    try:
        terms_of(loss)
    except InputError:
        return False
    return True


@dataclass(frozen=True)
class Terms:
    """The terms of a loss, those with a factor of 0 left out; at least one is there."""

    dice: DiceLoss | None
    entropy: CrossEntropyLoss | None
    dice_factor: float = 1.0
    ce_factor: float = 1.0

    @property
    def masks(self) -> MaskSettings:
        """How masks are read, and the activation."""
        if self.dice is not None:
            return self.dice.masks
        assert self.entropy is not None
        return self.entropy.masks

    @property
    def softmax(self) -> bool:
        """Whether the channels are one distribution."""
        return self.masks.activation == "softmax"


def terms_of(loss: object) -> Terms:
    """The terms of a loss.

    Raises:
        InputError: Their push does not follow from the sums.
    """
    if isinstance(loss, DiceCELoss) and (loss.dice_factor or loss.ce_factor):
        found = Terms(
            loss.dice if loss.dice_factor else None,
            loss.cross_entropy if loss.ce_factor else None,
            loss.dice_factor,
            loss.ce_factor,
        )
    elif type(loss) is DiceLoss:
        found = Terms(loss, None)
    elif type(loss) is CrossEntropyLoss:
        found = Terms(None, loss)
    else:
        raise _unknown(loss)
    if (dice := found.dice) is not None:
        plain = dice.norm == "l1" and dice.reduction.output == "mean"
        if not plain or dice.masks.label_sets:
            raise _unknown(dice)
    if (entropy := found.entropy) is not None:
        plain = entropy.weight is None and not entropy.label_smoothing and not entropy.gamma
        if not plain or entropy.top_k != 1 or entropy.output != "mean" or entropy.label_sets:
            raise _unknown(entropy)
    return found


def _unknown(loss: object) -> InputError:
    return InputError(
        f"the push of {loss} does not follow from the sums; measured are DiceLoss with norm 'l1' "
        "and reduction 'mean', plain CrossEntropyLoss, and their sum DiceCELoss, each without "
        "label_sets"
    )

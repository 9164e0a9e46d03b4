"""The Dice loss, its derivative, and what they do to missing and empty labels.

The losses are loaded when one is first asked for, so that what needs no torch starts at once.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicegrad.losses import (
        CrossEntropyLoss,
        DiceCELoss,
        DiceLoss,
        GeneralizedDiceLoss,
        LeafDiceLoss,
        MarginalCrossEntropyLoss,
        MarginalDiceLoss,
        SoftJaccardLoss,
        TverskyLoss,
        dice_gradient,
        dice_loss,
        epsilon_heuristic,
        soft_dice,
        solve_epsilon,
    )

__version__ = "0.2.0"
__all__ = [
    "CrossEntropyLoss",
    "DiceCELoss",
    "DiceLoss",
    "GeneralizedDiceLoss",
    "LeafDiceLoss",
    "MarginalCrossEntropyLoss",
    "MarginalDiceLoss",
    "SoftJaccardLoss",
    "TverskyLoss",
    "dice_gradient",
    "dice_loss",
    "epsilon_heuristic",
    "soft_dice",
    "solve_epsilon",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in __all__:
        raise AttributeError(f"module 'dicegrad' has no attribute {name!r}")
    from dicegrad import losses

    return getattr(losses, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

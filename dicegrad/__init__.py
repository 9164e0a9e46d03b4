"""The Dice loss, its derivative, and what they do to missing and empty labels."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicegrad.losses import (
        CrossEntropyLoss,
        DiceCELoss,
        DiceLoss,
        GeneralizedDiceLoss,
        LeafDiceLoss,
        MarginalDiceLoss,
        SoftJaccardLoss,
        dice_gradient,
        dice_loss,
        epsilon_heuristic,
        soft_dice,
        solve_epsilon,
    )

__all__ = [
    "CrossEntropyLoss",
    "DiceCELoss",
    "DiceLoss",
    "GeneralizedDiceLoss",
    "LeafDiceLoss",
    "MarginalDiceLoss",
    "SoftJaccardLoss",
    "dice_gradient",
    "dice_loss",
    "epsilon_heuristic",
    "soft_dice",
    "solve_epsilon",
]


def __getattr__(name: str) -> object:
    """Import the losses when one is asked for: most jobs of the workflow do without torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dicegrad import losses

    return getattr(losses, name)

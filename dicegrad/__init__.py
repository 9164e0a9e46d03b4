"""The Dice loss, its derivative, and what they do to missing and empty labels."""

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

"""The Dice loss family, its derivative in closed form, and epsilon."""

from dicegrad.losses.cross_entropy import CrossEntropyLoss, DiceCELoss
from dicegrad.losses.dice import DiceLoss, dice_gradient, dice_loss, soft_dice
from dicegrad.losses.epsilon import epsilon_heuristic, solve_epsilon
from dicegrad.losses.missing import LeafDiceLoss, MarginalDiceLoss
from dicegrad.losses.variants import GeneralizedDiceLoss, SoftJaccardLoss

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

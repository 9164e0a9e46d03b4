"""The Dice loss family, its derivative in closed form, and epsilon."""

from dicegrad.losses.cross_entropy import CrossEntropyLoss
from dicegrad.losses.dice import DiceLoss
from dicegrad.losses.dice_ce import DiceCELoss
from dicegrad.losses.epsilon import epsilon_heuristic, solve_epsilon
from dicegrad.losses.functional import dice_gradient, dice_loss, soft_dice
from dicegrad.losses.marginal_cross_entropy import MarginalCrossEntropyLoss
from dicegrad.losses.missing import LeafDiceLoss, MarginalDiceLoss
from dicegrad.losses.overlap import SoftJaccardLoss, TverskyLoss
from dicegrad.losses.variants import GeneralizedDiceLoss

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

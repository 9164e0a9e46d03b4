"""The trainer of a study's networks, which nnU-Net looks for when it predicts with them."""

from dicegrad.interop.nnunet_study import nnUNetTrainerStudy

__all__ = ["nnUNetTrainerStudy"]

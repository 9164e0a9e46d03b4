"""nnU-Net imports every file of this folder by its name, and takes the class of the same name."""

from dicegrad.interop.nnunet import nnUNetTrainerDicegrad

__all__ = ["nnUNetTrainerDicegrad"]

"""Adapters to other frameworks: thin, each tested with the real package."""

from pathlib import Path

# What the environment variable nnUNet_extTrainer names: nnU-Net imports every file in it.
TRAINERS = Path(__file__).parent / "nnunet_trainers"

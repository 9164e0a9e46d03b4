"""The folder that nnU-Net searches for trainers; see `dicegrad nnunet-trainers`."""

"""`dicegrad nnunet-trainers`: where nnU-Net finds our trainer."""

import argparse

_ABOUT = """\
Print the folder in which nnU-Net finds nnUNetTrainerDicegrad, which trains on maps that were
annotated and learns nothing from those that annotated.tsv says nobody drew.

example:
  export nnUNet_extTrainer="$(dicegrad nnunet-trainers)"
  nnUNetv2_train 1 3d_fullres 0 -tr nnUNetTrainerDicegrad
"""


def add_nnunet_trainers(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    command = commands.add_parser(
        "nnunet-trainers",
        help="print the folder of the trainer for nnU-Net",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=_print_folder)


def _print_folder(options: argparse.Namespace) -> None:
    from dicegrad.interop import TRAINERS

    print(TRAINERS)

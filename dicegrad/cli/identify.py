"""`dicegrad identify`: a passport of any loss."""

import argparse

from dicegrad.cli.answers import as_json

_ABOUT = """\
Find out what a loss is by probing it: phi, epsilon, norm, background, cross-entropy, what it does
to a map without a true voxel, and the same loss in this package. What is not sure is "unknown".

examples:
  dicegrad identify "monai.losses:DiceLoss(batch=True, softmax=True)"
  dicegrad identify "my_package.losses:MyLoss(smooth=1)" --json
"""


def add_identify(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    identify = commands.add_parser(
        "identify",
        help="say what a loss is, and what it does to maps without a true voxel",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    identify.add_argument("loss", help='import path with arguments, "package.module:Name(a=1)"')
    identify.add_argument("--channels", type=int, choices=(1, 2, 3, 4), help="tried by default")
    identify.add_argument(
        "--dims", type=int, choices=(2, 3), help="axes of space; tried by default"
    )
    identify.add_argument(
        "--labels",
        choices=("one-hot", "map (B, 1, *)", "map (B, *)"),
        help="form of the truth; tried by default",
    )
    identify.add_argument(
        "--activation",
        choices=("softmax", "sigmoid", "none"),
        help="what the loss has inside; tried by default",
    )
    identify.add_argument("--json", action="store_true", help="print JSON")
    identify.set_defaults(run=_identify)


def _identify(options: argparse.Namespace) -> None:
    import sys
    from contextlib import redirect_stdout
    from pathlib import Path

    from dicegrad.advice.identify import identify

    sys.path.insert(0, str(Path.cwd()))  # a loss in a file of the user's own
    with redirect_stdout(sys.stderr):  # whatever a loss prints is not of the passport
        found = identify(
            options.loss,
            channels=options.channels,
            dims=options.dims,
            labels=options.labels,
            activation=options.activation,
        )
    print(as_json(found.to_dict()) if options.json else found.text)

"""`dicegrad forecast`: what each loss will make of the missing and empty maps of a data set."""

import argparse
from pathlib import Path

from dicegrad.cli.answers import as_json, check_figure
from dicegrad.cli.audit import add_labels, read_audit
from dicegrad.errors import InputError

_ABOUT = """\
Say for each class and loss whether maps that nobody drew, and maps that are truly empty, will be
ignored, learnt as empty, or torn between the two; and which loss to take. Reads only labels.

examples:
  dicegrad forecast data/Dataset004_Hippocampus
  dicegrad forecast labels --classes csPCa=2,3,4,5 --annotated marksheet.csv --patch 128 128 24
  dicegrad forecast labels --loss "monai.losses:DiceLoss(batch=True, softmax=True)"
"""


def add_forecast(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    forecast = commands.add_parser(
        "forecast",
        help="say what each loss will make of missing and empty maps, and which to take",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_labels(forecast)
    forecast.add_argument("--batch-size", type=int, default=2, help="cases (default: 2)")
    forecast.add_argument(
        "--patch",
        type=int,
        nargs="+",
        metavar="VOXELS",
        help="size of a patch along each axis (default: the whole label map)",
    )
    forecast.add_argument(
        "--loss",
        action="append",
        default=[],
        metavar="LOSS",
        help="a further loss, as for `dicegrad identify`; may be given several times",
    )
    forecast.add_argument("--figure", type=Path, metavar="PNG", help="draw it as well")
    forecast.add_argument("--json", action="store_true", help="print JSON")
    forecast.set_defaults(run=_forecast)


def _forecast(options: argparse.Namespace) -> None:
    from math import prod

    from dicegrad.advice.forecast import forecast
    from dicegrad.advice.forecast_losses import of_passports

    patch = options.patch
    if patch and (min(patch) < 1 or len(patch) not in (2, 3)):
        raise InputError(
            f"--patch is {' '.join(map(str, patch))}; give its voxels along two or three axes, "
            "each at least 1"
        )
    check_figure(options.figure)
    passports = []
    if options.loss:
        from dicegrad.advice.identify import identify

        passports = [identify(each) for each in options.loss]
    found = forecast(
        read_audit(options),
        batch_size=options.batch_size,
        voxels=prod(patch) if patch else None,
        losses=of_passports(passports),
    )
    if options.figure:
        from dicegrad.advice.forecast_figure import draw

        draw(found, options.figure)
    print(as_json(found.to_dict()) if options.json else found.text)

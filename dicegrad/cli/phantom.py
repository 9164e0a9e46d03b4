"""`dicegrad phantom`: write a generated data set."""

import argparse
from pathlib import Path

from dicegrad.errors import InputError


def add_phantom(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    phantom = commands.add_parser("phantom", help="write a generated data set")
    phantom.add_argument(
        "kind",
        choices=("heart", "tumor", "mixed"),
        help="in the layout of ACDC, BRATS 2018, nnU-Net",
    )
    phantom.add_argument("root", type=Path, help="folder to write, new or empty")
    phantom.add_argument("--subjects", type=int, default=24, help="how many (default: 24)")
    phantom.add_argument("--seed", type=int, default=0, help="at least 0 (default: 0)")
    phantom.set_defaults(run=_phantom)


def _phantom(options: argparse.Namespace) -> None:
    from dicegrad.data.phantoms import write_phantom

    if options.root.exists() and (options.root.is_file() or any(options.root.iterdir())):
        raise InputError(f"{options.root}: already exists; name a new or an empty folder")
    files = write_phantom(options.kind, options.root, options.subjects, options.seed)
    print(f"{options.root}: {options.subjects} subjects, {len(files)} files")

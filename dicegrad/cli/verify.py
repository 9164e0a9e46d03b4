"""`dicegrad verify`: is a finished study as it was, and what made it?"""

import argparse
from pathlib import Path

from dicegrad.errors import InputError

_SHOWN = 20  # files to name


def add_verify(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    verify = commands.add_parser(
        "verify",
        help="check that a finished study is unchanged, and say what made it",
        description="Check every file of a finished study against its SHA256SUMS, and say which "
        "commands, versions and settings made it.",
    )
    verify.add_argument("results", type=Path, help="folder of the study, e.g. results/demo")
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> None:
    from dicegrad.reporting.record import read_record

    folder: Path = options.results
    record = read_record(folder)
    problems = [f"{folder / name}: is missing" for name in record.missing]
    problems += [
        f"{folder / name}: has changed since the study was finished" for name in record.changed
    ]
    if problems:
        more = len(problems) - _SHOWN
        last = [f"and {more} more files"] if more > 0 else []
        remedy = f"{folder}: delete the files named above, and run the study again to make them"
        raise InputError(*problems[:_SHOWN], *last, remedy)
    print(f"{folder}: all {record.files} files are as they were when the study was finished")
    for title, lines in (
        ("commands", record.commands),
        ("made by", [f"{maker}, {_jobs(count)}" for maker, count in record.made.items()]),
        ("settings", [str(path) for path in record.settings]),
    ):
        if lines:
            print("\n".join([f"{title}:", *(f"  {line}" for line in lines)]))


def _jobs(count: int) -> str:
    return f"{count} job{'' if count == 1 else 's'}"

"""The command line: what is handy outside the workflow."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dicegrad import __version__
from dicegrad.cli.check import add_check
from dicegrad.cli.predict import add_predict
from dicegrad.cli.train import add_train
from dicegrad.errors import InputError, Interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words of the command line; those of the process by default.

    Returns:
        0, or 1 after one `error:` line where the input is at fault.
    """
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.run is not _plan:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    try:
        options.run(options)
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 1
    except OSError as error:  # a folder that may not be written, a full disk
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "dicegrad"):
            raise
        print(f"error: package {package} is missing; pip install '.[workflow]'", file=sys.stderr)
        return 1
    except Interrupted as stop:
        print(f"{stop}; the same command goes on from there", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dicegrad",
        description="The Dice loss in the context of missing or empty labels. "
        "Studies are run with snakemake; see the README.",
    )
    parser.add_argument("--version", action="version", version=f"dicegrad {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    summary = commands.add_parser("summary", help="say what a finished study shows")
    summary.add_argument("results", type=Path, help="folder of the study, e.g. results/demo")
    summary.set_defaults(run=_summary)

    plan = commands.add_parser(
        "plan",
        help="say what a study would run, and why, by experiment",
        usage="dicegrad plan [SNAKEMAKE OPTION ...]",
        description="Say what would run, and why. Takes the options of snakemake: "
        "dicegrad plan --configfile config/acdc.yaml",
    )
    plan.set_defaults(run=_plan)

    add_check(commands)

    phantom = commands.add_parser("phantom", help="write a generated data set")
    phantom.add_argument(
        "kind", choices=("heart", "tumor"), help="in the layout of ACDC, BRATS 2018"
    )
    phantom.add_argument("root", type=Path, help="folder to write, new or empty")
    phantom.add_argument("--subjects", type=int, default=24, help="how many (default: 24)")
    phantom.add_argument("--seed", type=int, default=0, help="from 0 up (default: 0)")
    phantom.set_defaults(run=_phantom)

    add_train(commands)
    add_predict(commands)
    return parser


def _summary(options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.panel import Panel

    folder: Path = options.results
    text = folder / "summary.txt"
    if not text.is_file():
        raise InputError(f"{text}: not there; run the study to its end first")
    places = {
        "table": folder / "table1.md",
        "scores": folder / "scores.tsv",
        "figures": folder / "figures",
        "report": folder / "report.html",
    }
    lines = [escape(text.read_text().rstrip()), ""]
    lines += [f"[bold]{name:8}[/bold] {path}" for name, path in places.items() if path.exists()]
    Console(highlight=False).print(Panel("\n".join(lines), title=f"study {folder.name}"))


def _plan(options: argparse.Namespace) -> None:
    from dicegrad.plan import describe, make_plan

    print("\n".join(describe(make_plan(options.rest))))


def _phantom(options: argparse.Namespace) -> None:
    from dicegrad.data.phantoms import write_phantom

    if options.root.exists() and (options.root.is_file() or any(options.root.iterdir())):
        raise InputError(f"{options.root}: is there already; name a new or an empty folder")
    files = write_phantom(options.kind, options.root, options.subjects, options.seed)
    print(f"{options.root}: {options.subjects} subjects, {len(files)} files")

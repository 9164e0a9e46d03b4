"""The command line: what is handy outside the workflow."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dicegrad import __version__
from dicegrad.cli.audit import add_audit
from dicegrad.cli.identify import add_identify
from dicegrad.cli.predict import add_predict
from dicegrad.cli.train import add_train
from dicegrad.errors import InputError, Interrupted

if TYPE_CHECKING:
    from dicegrad.data.adapter import Adapter, Case


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

    check = commands.add_parser("check", help="check a data set before a study uses it")
    check.add_argument("adapter", choices=("acdc", "brats", "nnunet"), help="its layout")
    check.add_argument("root", type=Path, help="folder of the data set, e.g. data/acdc")
    check.set_defaults(run=_check)

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
    add_identify(commands)
    add_audit(commands)
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


def _check(options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.progress import track

    from dicegrad.data.cases import get_adapter
    from dicegrad.data.checks import find_problems

    adapter = get_adapter(options.adapter, options.root)
    found = adapter.scan(options.root)
    problems = [*found.problems, *find_problems(found.cases, adapter)]
    console = Console(stderr=True)
    shown = track(found.cases, "reading", None, True, console, disable=not console.is_terminal)
    for case in shown:
        if not find_problems([case], adapter):
            problems += _voxel_problems(case, adapter)
    if problems:
        raise InputError("\n".join(problems))
    groups = [case.group for case in found.cases]
    counts = ", ".join(f"{groups.count(group)} {group}" for group in dict.fromkeys(groups))
    subjects = len({case.subject for case in found.cases})
    print(f"{options.root}: {len(found.cases)} cases of {subjects} subjects ({counts}); all good")


def _voxel_problems(case: "Case", adapter: "Adapter") -> list[str]:
    from dicegrad.data.checks import check_voxels
    from dicegrad.preprocessing.prepare import read_volume, voxels

    try:
        images, label = [read_volume(path) for path in case.images], read_volume(case.label)
        check_voxels(case, [voxels(image) for image in images], voxels(label), adapter)
    except InputError as error:
        return [str(error)]
    return []


def _phantom(options: argparse.Namespace) -> None:
    from dicegrad.data.phantoms import write_phantom

    if options.root.exists() and (options.root.is_file() or any(options.root.iterdir())):
        raise InputError(f"{options.root}: is there already; name a new or an empty folder")
    files = write_phantom(options.kind, options.root, options.subjects, options.seed)
    print(f"{options.root}: {options.subjects} subjects, {len(files)} files")

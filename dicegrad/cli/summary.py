"""`dicegrad summary`: what a finished study shows."""

import argparse
from pathlib import Path

from dicegrad.errors import InputError


def add_summary(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    summary = commands.add_parser("summary", help="say what a finished study shows")
    summary.add_argument("results", type=Path, help="folder of the study, e.g. results/demo")
    summary.set_defaults(run=_summary)


def _summary(options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.panel import Panel

    from dicegrad.files import read_text

    folder: Path = options.results
    text = folder / "summary.txt"
    if not text.is_file():
        raise InputError(f"{text}: does not exist; run the study to its end first")
    places = {
        "table": folder / "table1.md",
        "scores": folder / "scores.tsv",
        "figures": folder / "figures",
        "report": folder / "report.html",
    }
    lines = [escape(read_text(text).rstrip()), ""]
    lines += [f"[bold]{name:8}[/bold] {path}" for name, path in places.items() if path.exists()]
    Console(highlight=False).print(Panel("\n".join(lines), title=f"study {escape(folder.name)}"))

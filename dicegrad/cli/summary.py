"""`dicegrad summary`: what a finished study shows."""

import argparse
from pathlib import Path

from dicegrad.cli.answers import as_json
from dicegrad.errors import InputError


def add_summary(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    summary = commands.add_parser("summary", help="say what a finished study shows")
    summary.add_argument("results", type=Path, help="folder of the study, e.g. results/demo")
    summary.add_argument(
        "--json",
        action="store_true",
        help="print the lines, the verdict, Table 1, and training runs that have not learnt what "
        "was labelled",
    )
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
    if options.json:
        print(_as_json(folder, read_text(text)))
        return
    places = {
        "table": folder / "table1.md",
        "scores": folder / "scores.tsv",
        "figures": folder / "figures",
        "report": folder / "report.html",
    }
    lines = [escape(read_text(text).rstrip()), ""]
    lines += [f"[bold]{name:8}[/bold] {path}" for name, path in places.items() if path.exists()]
    Console(highlight=False).print(Panel("\n".join(lines), title=f"study {escape(folder.name)}"))


def _as_json(folder: Path, text: str) -> str:
    """What a finished study shows, for a program to read; empty cells are null."""
    import json

    from dicegrad.evaluation.apart import APART
    from dicegrad.evaluation.failed import FAILED
    from dicegrad.files import read_table
    from dicegrad.reporting.summary import verdict_of
    from dicegrad.reporting.tables import TABLE1

    known = {"table1": TABLE1, "failed": FAILED, "apart": APART}
    tables = {name: folder / f"{name}.tsv" for name in known}  # an earlier version wrote one alone
    found = {
        name: json.loads(read_table(path, known[name]).to_json(orient="records"))
        for name, path in tables.items()
        if path.is_file()
    }
    lines = [line for line in text.splitlines() if line]
    content = {"study": folder.name, "summary": lines, "verdict": verdict_of(text), **found}
    return as_json(content)

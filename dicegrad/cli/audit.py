"""`dicegrad audit`: what is filled, empty and not annotated in label maps."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dicegrad.cli.answers import as_json, check_figure

if TYPE_CHECKING:
    from dicegrad.advice.audit import Audit

_ABOUT = """\
Count filled, empty and not annotated maps per class and group, and test for labels that nobody
drew. Reads only labels.

examples:
  dicegrad audit data/Dataset004_Hippocampus --plans nnUNetPlans.json
  dicegrad audit labels --classes csPCa=2,3,4,5 --annotated marksheet.csv --groups center
"""


def add_audit(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    audit = commands.add_parser(
        "audit",
        help="count filled, empty and not annotated maps, and find labels nobody drew",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_labels(audit)
    audit.add_argument("--plans", type=Path, metavar="JSON", help="nnUNetPlans.json")
    audit.add_argument("--figure", type=Path, metavar="PNG", help="draw it as well")
    audit.add_argument("--json", action="store_true", help="print JSON")
    audit.set_defaults(run=_audit)


def add_labels(command: argparse.ArgumentParser) -> None:
    """Add what says which labels are read, and what was annotated."""
    command.add_argument(
        "labels",
        type=Path,
        help="folder of label maps, nnU-Net, MSD or ACDC root, or table with case and label",
    )
    command.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME=VALUES",
        help="classes and their values in the label map, e.g. csPCa=2,3,4,5",
    )
    command.add_argument(
        "--annotated",
        type=Path,
        metavar="TABLE",
        help="table of cases that says what was looked for (columns case and annotated); a case of "
        "it without a label map counts as not annotated",
    )
    command.add_argument(
        "--annotated-column", metavar="NAME", help="its column (default: annotated)"
    )
    command.add_argument(
        "--groups",
        metavar="COLUMN|TABLE",
        help="column of that table, or a table with columns case and group",
    )


def read_audit(options: argparse.Namespace) -> "Audit":
    """The audit of the labels that `add_labels` names."""
    from dicegrad.advice.audit import audit, parse_classes

    return audit(
        options.labels,
        classes=parse_classes(options.classes) if options.classes else None,
        annotated=options.annotated,
        annotated_column=options.annotated_column,
        groups=options.groups,
        plans=getattr(options, "plans", None),
    )


def _audit(options: argparse.Namespace) -> None:
    check_figure(options.figure)
    found = read_audit(options)
    if options.figure:
        from dicegrad.advice.audit_figure import draw

        draw(found, options.figure)
    print(as_json(found.to_dict()) if options.json else found.text)

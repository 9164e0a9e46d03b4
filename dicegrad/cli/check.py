"""`dicegrad check`: check a data set before a study uses it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dicegrad.errors import InputError

if TYPE_CHECKING:
    from dicegrad.data.adapter import Adapter, Case


def add_check(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    check = commands.add_parser("check", help="check a data set before a study uses it")
    check.add_argument("adapter", help="its layout: acdc, brats or nnunet")
    check.add_argument("root", type=Path, help="folder of the data set, e.g. data/acdc")
    check.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> None:
    from dicegrad.data.adapters import get_adapter
    from dicegrad.data.checks import find_problems
    from dicegrad.terminal import tracked

    adapter = get_adapter(options.adapter, options.root)
    found = adapter.scan(options.root)
    problems = [*found.problems, *find_problems(found.cases, adapter)]
    for case in tracked(found.cases, "reading"):
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

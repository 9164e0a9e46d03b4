"""`dicegrad suspects`: which maps without a true voxel look as if nobody drew them?"""

import argparse
import math
from pathlib import Path

from dicegrad.cli.answers import as_json

_ABOUT = """\
Rank the maps without a true voxel of a study by how plausible the structure is that networks
trained with Dice I, which are blind to such maps, predict in them; for an annotator to look at.
Writes suspects.tsv and suspects.png into the folder of the study.

example:
  dicegrad suspects results/missing-and-empty
"""


def add_suspects(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    suspects = commands.add_parser(
        "suspects",
        help="rank maps without a true voxel by whether somebody forgot to draw them",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    suspects.add_argument("results", type=Path, help="folder of the study, e.g. results/demo")
    suspects.add_argument(
        "--resources", type=Path, help="prepared datasets (default: resources/ beside results/)"
    )
    suspects.add_argument("--out", type=Path, help="where to write (default: the study's folder)")
    suspects.add_argument(
        "--first", type=int, default=12, help="how many to show and draw (default: 12)"
    )
    suspects.add_argument("--json", action="store_true", help="print JSON")
    suspects.set_defaults(run=_suspects)


def _suspects(options: argparse.Namespace) -> None:
    from dicegrad.advice.suspects import as_rows, find_suspects, ranking
    from dicegrad.advice.suspects_figure import draw
    from dicegrad.errors import InputError
    from dicegrad.files import write_table

    if options.first < 1:
        raise InputError(f"--first is {options.first}; it must be at least 1")
    found = find_suspects(options.results, options.resources, options.first)
    out: Path = options.out or options.results
    rows = as_rows(found.suspects)
    write_table(rows, out / "suspects.tsv")
    draw(found, out / "suspects.png")
    if options.json:
        print(as_json(rows))
        return
    for row in rows[: options.first]:
        print(
            f"{row['rank']:3}. {row['case']}, {row['class']}: plausibility "
            f"{row['plausibility']:.2f} ({row['voxels']} voxels, volume {row['volume']:.2f}, "
            f"probability {row['probability']:.2f}{_agreement(row['agreement'])})"
        )
    told = ranking(found.suspects, options.first)
    if told["missing"] + told["empty"]:
        print(
            f"the full labels hold {told['missing']} of these {len(rows)} maps"
            f"{_area(told['auc'])}, {100 * told['precision']:.0f} % of the first {told['k']}"
        )
    print(f"{out / 'suspects.tsv'} and suspects.png written")


def _agreement(value: float) -> str:
    """Between the networks of several folds, if there are several."""
    return "" if math.isnan(value) else f", agreement of folds {value:.2f}"


def _area(auc: float) -> str:
    return "" if math.isnan(auc) else f" (AUC {auc:.3f})"

"""`dicegrad plan`: what a study would run, why, on what data, and for how long."""

import argparse
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

from dicegrad.cli.answers import as_json

if TYPE_CHECKING:
    from dicegrad.planning.overview import Overview
    from dicegrad.study import Study

_ABOUT = """\
Say what a study would run, and why, by experiment. Where something is to be trained, look at the
data too (cases of each fold; filled, empty and not annotated maps of each class; the grid beside
the images; memory), time a few training steps on this machine, and estimate the minutes. Takes the
options of snakemake.

examples:
  dicegrad plan
  dicegrad plan --configfile config/acdc.yaml --cores 8
"""


def add_plan(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    plan = commands.add_parser(
        "plan",
        help="say what a study would run, why, on what data, and for how long",
        usage="dicegrad plan [--json] [--jobs-only] [SNAKEMAKE OPTION ...]",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    plan.add_argument("--jobs-only", action="store_true", help="look at no data, and time nothing")
    plan.set_defaults(run=run_plan)


def run_plan(options: argparse.Namespace) -> None:
    """Print the plan; `options.rest` goes to Snakemake."""
    import tempfile

    from dicegrad.plan import as_plain, describe, make_plan, study_told
    from dicegrad.study.schemas import read_yaml

    for file in _given(options.rest).configfile:
        read_yaml(file)  # Snakemake says what is wrong, but not with which file
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "study.json"
        plan = make_plan(options.rest, told)
        content, lines, found = as_plain(plan), describe(plan), None
        trains = any(item.count("train") for item in plan.experiments)
        if trains and not options.jobs_only:
            study, place = study_told(told)
            with chdir(place):
                found, absent = _overview(study, _cores(options.rest))
            lines += ["", *found.lines(), *absent]
            content |= found.to_json()
    print(as_json(content) if options.json else "\n".join(lines))


def _overview(study: "Study", cores: int) -> "tuple[Overview, list[str]]":
    """The data and the minutes, and a line on each data set that is not there yet."""
    from dicegrad.cli.check import bar
    from dicegrad.cli.device import device_there
    from dicegrad.machine import cores as all_cores
    from dicegrad.planning.look import original_data, prepared_data
    from dicegrad.planning.overview import Machine, overview
    from dicegrad.planning.prepared import is_prepared
    from dicegrad.study import paths

    data, absent = [], []
    for name, dataset in study.datasets.items():
        folder = Path("resources", name)
        if is_prepared(folder, dataset):
            data.append((dataset, prepared_data(folder, dataset)))
        elif dataset.root.is_dir() and any(dataset.root.iterdir()):
            with bar(f"reading {name}", None) as done:
                data.append((dataset, original_data(dataset, all_cores(), done)))
        else:
            absent.append(f"{name}: not looked at; {dataset.root} is made or fetched by the run")
    rows = [
        (each, paths.fold_files(study, [each], "weights.pt"))
        for each in study.experiments
        if each.dataset in {dataset.name for dataset, _ in data}
    ]
    folds = {name: study.folds(name) for name in study.datasets}
    machine = Machine(cores, study.training_threads, device_there(study.device))
    return overview(data, rows, folds, machine), absent


def _cores(words: list[str]) -> int:
    """Those that Snakemake is given, or all of this machine."""
    from dicegrad.machine import cores

    given = _given(words).cores
    return int(given) if given.isdigit() and int(given) else cores()


def _given(words: list[str]) -> argparse.Namespace:
    """Those options of Snakemake that matter here too."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--cores", "-c", default="all")
    parser.add_argument("--configfile", "--configfiles", nargs="+", type=Path, default=[])
    return parser.parse_known_args(words)[0]

"""`dicegrad init`: a ready study of a folder of images and labels."""

import argparse
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from dicegrad.errors import InputError, nearest
from dicegrad.machine import cores
from dicegrad.study.dataset_checks import NNUNET, UNET

if TYPE_CHECKING:
    from dicegrad.planning.fingerprint import Fingerprint

_ABOUT = """\
Look at a folder of images and labels, time a training step on this machine, and write a study of
it: config/NAME.yaml, config/datasets/NAME.yaml and config/experiments/NAME.tsv below the current
folder. Nothing is asked, and nothing that is there is replaced. The last line is the command that
runs the study.

examples:
  dicegrad init Task04_Hippocampus
  dicegrad init Task09_Spleen --study spleen --preset hour --memory 8
"""


def add_init(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    init = commands.add_parser(
        "init",
        help="write a ready study of a folder of images and labels",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    init.add_argument("root", type=Path, help="folder of the data set")
    init.add_argument("--study", metavar="NAME", help="its name (default: that of the folder)")
    init.add_argument(
        "--preset",
        choices=("minutes", "hour", "full"),
        default="minutes",
        help="how long the study may take; full is as long as it needs (default: minutes)",
    )
    init.add_argument(
        "--memory", type=float, metavar="GB", help="for all training runs (default: what is free)"
    )
    init.add_argument("--classes", metavar="A,B", help="those to be segmented (default: all)")
    init.add_argument(
        "--engine",
        choices=(UNET, NNUNET),
        default=UNET,
        help="what trains and predicts: the network of this package, or nnU-Net, which plans its "
        "own (default: unet)",
    )
    init.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    init.set_defaults(run=_init)


def _init(options: argparse.Namespace) -> None:
    from dicegrad.cli.device import device_there
    from dicegrad.planning.propose import propose
    from dicegrad.planning.text import UNTIMED, config_text, dataset_text, table_text
    from dicegrad.study.regions import overlap
    from dicegrad.whole import whole_file

    if options.memory is not None and not options.memory > 0:
        raise InputError(f"--memory is {options.memory}; it must be above 0, in GB")
    name = _name(options)
    paths = _free_paths(name)
    device = device_there(options.device)
    known = _look(options)
    if options.engine == NNUNET and overlap(known.adapter.class_values):
        raise InputError(
            f"--engine {NNUNET}: classes of {options.root} share label values, which is for the "
            f"engine {UNET}; leave --engine out"
        )
    plan = propose(known, options.preset, options.memory and 1e9 * options.memory, device, print)
    root = _written_root(options.root)
    annotated = any(each.case.annotated is not None for each in known.facts)
    texts = [
        config_text(plan, name, device, options.engine),
        dataset_text(
            plan, root, known.adapter.name, annotated, options.engine, _has_test_labels(known)
        ),
        table_text(plan, name),
    ]
    _check(plan.rows.count, texts, name)
    for path, text in zip(paths, texts, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, checked=False) as file:  # they are the user's to edit
            file.write(text.encode())
        print(f"wrote {path}")
    takes = f"about {plan.minutes:.0f} minutes" if options.engine == UNET else UNTIMED
    print(f"{takes}; run it with\n{_command(paths[0], plan.parallel)}")


def _free_paths(name: str) -> list[Path]:
    """Config, dataset file and table of a study, none of which may be there already."""
    from dicegrad.planning.text import existing

    paths = [
        Path("config") / f"{name}.yaml",
        Path("config/datasets") / f"{name}.yaml",
        Path("config/experiments") / f"{name}.tsv",
    ]
    if there := existing(paths):
        raise InputError(
            f"{there[0]}: already exists; remove it, or give the study another name with --study"
        )
    return paths


def _has_test_labels(known: "Fingerprint") -> bool:
    """Whether a test set that can be scored lies beside the data."""
    found = known.adapter.test(known.root) if known.adapter.test else None
    if found is None or found.problems:
        return False
    return any(case.label.is_file() for case in found.cases)


def _name(options: argparse.Namespace) -> str:
    """The name of the study: the one that was given, or the folder's."""
    from dicegrad.study.experiment import NAME, NAME_IS

    if options.study is not None:
        if not re.fullmatch(NAME, options.study):
            raise InputError(f"--study is {options.study!r}; {NAME_IS}")
        return options.study
    given = re.sub(r"[^A-Za-z0-9._-]+", "-", options.root.resolve().name).strip("-._")
    return given or "study"


def _look(options: argparse.Namespace) -> "Fingerprint":
    """Find the cases, see that they can be used, and take the fingerprint."""
    from dicegrad.cli.check import bar
    from dicegrad.data.adapters import detect, get_adapter
    from dicegrad.data.annotated import marked_by_table
    from dicegrad.data.checks import find_problems
    from dicegrad.data.copies import lines_on_copies
    from dicegrad.data.test_set import lines_on_leaks
    from dicegrad.planning.fingerprint import take_fingerprint

    root = options.root
    adapter = get_adapter(detect(root), root)
    found = adapter.scan(root)
    if problems := [*found.problems, *find_problems(found.cases, adapter)]:
        raise InputError(*problems)
    cases, line = marked_by_table(found.cases, root, None, adapter)
    leaks = lines_on_leaks(root, adapter, cases)
    for told in (*([line] if line else []), *lines_on_copies(cases), *leaks):
        print(told)
    classes = _classes(options.classes, tuple(adapter.class_values))
    with bar("reading", len(cases)) as done:
        return take_fingerprint(root, adapter, cases, classes, cores(), done)


def _classes(given: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    if given is None:
        return known
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",")))
    if unknown := [name for name in names if name not in known]:
        raise InputError(
            f"--classes has {unknown[0]!r}; the classes of the data are {', '.join(known)}"
            f"{nearest(unknown[0], known)}"
        )
    return names


def _written_root(root: Path) -> str:
    """The folder as the dataset file names it: as it was given where it is below this folder."""
    here = Path.cwd().resolve()
    full = root.resolve()
    return str(full.relative_to(here)) if full.is_relative_to(here) else str(full)


def _check(rows: int, texts: list[str], name: str) -> None:
    """Read what is to be written with the reader of every study, in a folder that is thrown away.

    A mistake here is one of this program, and raises as such.
    """
    import os
    import tempfile

    import yaml

    from dicegrad.study import Dataset
    from dicegrad.study.study import read_experiments

    with tempfile.TemporaryDirectory() as folder:
        for ending, text in zip((".config.yaml", ".yaml", ".tsv"), texts, strict=True):
            (Path(folder) / f"{name}{ending}").write_text(text)
        yaml.safe_load(texts[0])
        dataset = Dataset.read(Path(folder) / f"{name}.yaml")
        experiments = read_experiments(Path(folder) / f"{name}.tsv")
        for experiment in experiments:
            experiment.check(dataset.classes)
            dataset.labeling(experiment.labeling)
    assert len(experiments) == rows, os.linesep.join(texts)


def _command(config: Path, count: int) -> str:
    """The command that runs the study, here or with a workflow that lies elsewhere."""

    words = ["snakemake", "--cores", str(max(cores(), count)), "--configfile", str(config)]
    if not Path("Snakefile").is_file():
        workflow = Path(__file__).parents[2] / "Snakefile"
        where = str(workflow) if workflow.is_file() else "PATH/Snakefile"
        words += ["-s", where, "-d", "."]
    return shlex.join(words)

"""`dicegrad check`: is a dataset sound, and what does its grid keep of the labels?"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicegrad.cli.answers import as_json
from dicegrad.cli.dataset import open_dataset
from dicegrad.errors import InputError
from dicegrad.machine import cores

if TYPE_CHECKING:
    from dicegrad.data.adapter import Adapter, Case
    from dicegrad.study import Dataset

_ABOUT = """\
Read every image and label of a dataset and say what is wrong with them. With a dataset file, also
say what the grid of its `preprocessing` keeps of the true labels: the DSC of each class when the
labels go to the grid and back, which is the best that a network can score, the volume that is
kept, the share outside the grid, and the cases that lose most.

examples:
  dicegrad check data/acdc
  dicegrad check config/datasets/acdc-lowres.yaml
  dicegrad check config/datasets/acdc-lowres.yaml /where/acdc/is
"""
_ENDINGS = (".yaml", ".yml")


def add_check(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    check = commands.add_parser(
        "check",
        help="check a dataset, and what its grid keeps of the labels",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument(
        "what",
        type=_what,
        metavar="ROOT|DATASET.yaml|LAYOUT",
        help="folder of a dataset, whose layout is found out, or settings such as "
        "config/datasets/acdc.yaml; or a layout (table, nnunet, acdc, brats) before its ROOT",
    )
    check.add_argument(
        "root",
        type=Path,
        nargs="?",
        help="folder of the dataset, where it is not the one in the dataset file",
    )
    check.add_argument(
        "--configfile", type=Path, help="the study's config, where its `datasets` replaces settings"
    )
    check.add_argument(
        "--worst", type=int, default=3, help="cases to name for each class (default: 3)"
    )
    check.add_argument(
        "--jobs", type=int, default=cores(), help="processes (default: one a core, %(default)s)"
    )
    check.add_argument(
        "--json",
        action="store_true",
        help="print what was found as JSON, and nothing else on standard output",
    )
    check.set_defaults(run=_check)


def _what(word: str) -> str:
    """A folder, a dataset file or an adapter; argparse says what else there is."""
    from dicegrad.data.adapters import ADAPTERS, AUTO

    known = (AUTO, *ADAPTERS)
    if word not in known and not word.endswith(_ENDINGS) and not Path(word).is_dir():
        raise argparse.ArgumentTypeError(
            f"{word!r} is not a folder, a .yaml file, or one of {', '.join(known)}"
        )
    return word


def _check(options: argparse.Namespace) -> None:
    for name, lowest in (("jobs", 1), ("worst", 0)):
        if getattr(options, name) < lowest:
            raise InputError(f"--{name} is {getattr(options, name)}; it must be at least {lowest}")
    told = Told(quiet=options.json)
    try:
        _look(options, told)
    except InputError as error:
        told.content["problems"] = list(error.args)
        raise
    finally:
        if options.json and told.content:
            print(as_json(told.content))


@dataclass
class Told:
    """What a check has found: as lines, printed at once, and as plain values.

    Attributes:
        quiet: Whether lines are not printed.
        content: The values.
    """

    quiet: bool = False
    content: dict[str, Any] = field(default_factory=lambda: {"problems": []})

    def say(self, line: str) -> None:
        """Print a line, if lines are wanted."""
        if not self.quiet:
            print(line)


def _look(options: argparse.Namespace, told: Told) -> None:
    """Check a dataset file, or a folder."""
    if options.what.endswith(_ENDINGS):
        _check_dataset(options, told)
        return
    if options.configfile is not None:
        raise InputError(f"--configfile needs a dataset file, not {options.what!r}; leave it out")
    layout, root = _layout(options.what, options.root, told)
    _check_files(layout, root, options.jobs, told)


def _layout(what: str, root: Path | None, told: Told) -> tuple[str, Path]:
    """The layout and folder that two words name; one word is a folder."""
    from dicegrad.data.adapters import ADAPTERS, AUTO, detect

    if root is not None and what not in (AUTO, *ADAPTERS):
        raise InputError(f"check {what} {root}: two folders; name one")
    if root is None and not Path(what).is_dir():
        raise InputError(
            f"check {what}: no folder; name it, as `dicegrad check data/acdc`, or give a dataset "
            "file, as `dicegrad check config/datasets/acdc.yaml`"
        )
    folder = Path(what) if root is None else root
    if root is not None and what != AUTO:
        return what, folder
    name = detect(folder)
    told.say(f"{folder}: layout {name}")
    return name, folder


def _check_dataset(options: argparse.Namespace, told: Told) -> None:
    """Check the files of a dataset, then say what its grid keeps."""
    from dicegrad.prediction.ceiling import dataset_ceiling, describe
    from dicegrad.preprocessing.settings import Preprocessing

    dataset = open_dataset(Path(options.what), options.configfile)
    preprocessing = Preprocessing.from_dict(dataset.block("preprocessing"))
    root, classes = options.root or dataset.root, dataset.classes
    align = preprocessing.align
    cases, adapter = _check_files(dataset.adapter, root, options.jobs, told, align, dataset)
    with bar("to the grid and back", len(cases)) as done:
        found = dataset_ceiling(cases, adapter, classes, preprocessing, options.jobs, done)
    size = " x ".join(map(str, preprocessing.size))
    spacing = " x ".join(f"{s}" for s in preprocessing.spacing)
    told.say(f"grid of {size} voxels of {spacing} mm, crop: {preprocessing.crop}")
    told.say("\n".join(describe(found, classes, options.worst)))
    told.content["grid"] = {
        "size": list(preprocessing.size),
        "spacing": list(preprocessing.spacing),
        "crop": preprocessing.crop,
    }
    told.content["kept"] = [asdict(each) for each in found]


def _check_files(
    name: str,
    root: Path,
    jobs: int,
    told: Told,
    align: bool = False,
    dataset: "Dataset | None" = None,
) -> "tuple[Sequence[Case], Adapter]":
    """Read every file of a dataset.

    Raises:
        InputError: One line for each that cannot be used.
    """
    from functools import partial

    from dicegrad.data.adapters import get_adapter
    from dicegrad.data.annotated import marked_by_table
    from dicegrad.data.checks import find_problems
    from dicegrad.data.test_set import marked_test_cases, not_held_out
    from dicegrad.preprocessing.prepare import map_cases

    adapter = get_adapter(name, root)
    if dataset is not None:
        dataset.check_names(adapter.class_values, adapter.groups)
    found = adapter.scan(root)
    problems = [*found.problems, *find_problems(found.cases, adapter, align)]
    named = dataset.block("annotated") if dataset else None
    cases, line = marked_by_table(found.cases, root, named, adapter)
    if line:
        told.say(line)
    told.content |= {"root": str(root), "layout": adapter.name, "annotated": line}
    if dataset is not None:
        problems += _fold_problems(found.cases, dataset)
    tests, test_line = marked_test_cases(root, adapter, named)
    read = [*cases, *(case for case in tests if case.annotated is not None)]
    readable = [case for case in read if not find_problems([case], adapter, align)]
    with bar("reading", len(readable)) as done:
        for lines in map_cases(partial(_voxel_problems, adapter=adapter), readable, jobs):
            problems += lines
            done()
    if problems:
        raise InputError(*problems)
    _say_good(root, cases, dataset, told)
    _say_test_set(root, adapter, test_line, told)
    if tests and (leaks := not_held_out(tests, cases)):
        told.say("\n".join(leaks))
        told.content["not_held_out"] = leaks
    return cases, adapter


def _fold_problems(cases: "Sequence[Case]", dataset: "Dataset") -> list[str]:
    """What is wrong with the folds that a dataset file asks for."""
    from dicegrad.preprocessing.folds import count_problem, folds_of_splits

    settings = dataset.folds
    try:
        if settings.method == "listed":
            folds_of_splits(cases, Path(settings.file), settings.count)
    except InputError as error:
        return list(error.args)
    problem = count_problem(cases, settings.count)
    return [problem] if problem else []


def _say_good(root: Path, cases: "Sequence[Case]", dataset: "Dataset | None", told: Told) -> None:
    """What a sound dataset holds."""
    from dicegrad.data.checks import orientation_line
    from dicegrad.data.copies import lines_on_copies

    groups = [case.group for case in cases]
    counts = ", ".join(f"{groups.count(group)} {group}" for group in dict.fromkeys(groups))
    subjects = len({case.subject for case in cases})
    told.say(f"{root}: {len(cases)} cases of {subjects} subjects ({counts}); all good")
    told.content |= {
        "cases": len(cases),
        "subjects": subjects,
        "groups": {group: groups.count(group) for group in dict.fromkeys(groups)},
    }
    if copies := lines_on_copies(cases):
        told.say("\n".join(copies))
        told.content["copies"] = copies
    as_is = dataset is None or dataset.block("preprocessing").get("orientation") != "RAS"
    if as_is and (line := orientation_line(cases)):
        told.say(line)
        told.content["orientation"] = line


def _say_test_set(root: Path, adapter: "Adapter", annotated: str | None, told: Told) -> None:
    """What lies in the test set, if there is one, and how many of it the table lists."""
    from dicegrad.data.test_set import line_on_test_set

    lines = {"test_set": line_on_test_set(root, adapter), "test_annotated": annotated}
    for name, line in lines.items():
        if line:
            told.say(line)
            told.content[name] = line


def _voxel_problems(case: "Case", adapter: "Adapter") -> list[str]:
    from dicegrad.data.annotated import contradictions
    from dicegrad.data.checks import check_voxels
    from dicegrad.data.volumes import read_channels, read_volume

    try:
        images, label = read_channels(case.images), read_volume(case.label)
        check_voxels(case, [image.voxels for image in images], label.voxels, adapter)
    except InputError as error:
        return list(error.args)
    return contradictions(case, label.voxels, adapter.class_values)


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error, on a terminal only.

    Yields:
        A function to call after each piece of work.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(console=console, transient=True, disable=hidden) as bars:
        bar = bars.add_task(what, total=total)
        yield lambda: bars.advance(bar)

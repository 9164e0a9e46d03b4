"""Make an output of a study: read what it needs, call its functions, write its files."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicegrad.errors import InputError
from dicegrad.files import Columns, read_table, write_table
from dicegrad.reporting.output import TABLE_FORMATS, Table
from dicegrad.reporting.outputs import OUTPUTS
from dicegrad.study import Experiment

if TYPE_CHECKING:
    import pandas as pd

_QUOTED = " Below a result of this study, where the paper has it: the paper's, and the difference."


def produce(
    name: str,
    inputs: Mapping[str, Sequence[str]],
    settings: Mapping[str, Any],
    files: Mapping[str, str],
    report: Callable[[object], None],
) -> None:
    """Make the files of an output.

    Args:
        name: A key of `OUTPUTS`.
        inputs: The files that it reads, by name.
        settings: The settings that it reads, by name.
        files: Where to, as `outputs.files_of` names them.
        report: Takes lines for the log.
    """
    output = OUTPUTS[name]
    known = {key: read_input(key, paths) for key, paths in inputs.items()} | dict(settings)
    if "scores" in known:  # of each case, and of each of its training runs
        from dicegrad.evaluation.seeds import over_seeds

        known["runs"], known["scores"] = known["scores"], over_seeds(known["scores"])
    for table, about in output.tables.items():
        known[table] = call(about.make, known)
        _write(table, about, known, files)
        report(f"{table}: {len(known[table])} rows")
    if output.figure:
        call(output.figure, {**known, "out_stem": Path(files["png"]).with_suffix("")})
    if output.text:
        text = call(output.text, known).rstrip()
        Path(files["text"]).write_text(text + "\n", encoding="utf-8")
        for line in text.splitlines():
            report(line)


def call(function: str, known: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Call a function of this package, `module:function`, with those known values that it takes."""
    target = load(function)
    return target(**{key: known[key] for key in signature(target).parameters if key in known})


def load(name: str) -> Any:  # noqa: ANN401
    """A function or constant of this package by its name, `module:name`."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(f"dicegrad.{module}"), attribute)


def _write(name: str, about: Table, known: Mapping[str, Any], files: Mapping[str, str]) -> None:
    from dicegrad.evaluation.seeds import seeds_note
    from dicegrad.reporting.formats import write_page, write_paper_table

    table = known[name]
    write_table(table, files[name], list(table.columns), digits=6 if about.layout == "paper" else 8)
    if about.layout == "page":
        shown = load(about.shown)(table) if about.shown else table
        write_page(
            shown, files[f"{name}_html"], " ".join([about.caption, seeds_note(table)]).strip()
        )
    if about.layout == "paper":
        beside = load(about.beside)(table, known["datasets"]) if about.beside else table.iloc[:0]
        note = seeds_note(table)
        caption = about.caption + f" {note}" * bool(note) + _QUOTED * bool(len(beside))
        paths = [files[f"{name}_{kind}"] for kind in TABLE_FORMATS[1:]]
        write_paper_table(table, known["datasets"], paths, caption, beside)


def read_input(name: str, paths: Sequence[str]) -> Any:  # noqa: ANN401
    """What an output reads, in the form that its functions take.

    Args:
        name: One of `Output.reads`.
        paths: The files behind it.

    Raises:
        InputError: A file is missing or damaged.
    """
    readers: dict[str, Callable[[Sequence[str]], Any]] = {
        "scores": _scores,
        "test_scores": _test_scores,
        "epsilon": _epsilon,
        "histories": _histories,
        "voxels": _voxels,
        "cases": _cases,
        "images": _images,
        "prepared": _prepared,
        "predictions": lambda paths: [Path(path) for path in paths],
    }
    if name in readers:
        return readers[name](paths)
    made = next(output.tables[name] for output in OUTPUTS.values() if name in output.tables)
    columns: Columns = load(made.columns)
    return read_table(paths[0], columns)


def _scores(paths: Sequence[str]) -> "pd.DataFrame":
    from dicegrad.evaluation.scores import read_scores

    return read_scores(paths[0])


def _test_scores(paths: Sequence[str]) -> "pd.DataFrame":
    from dicegrad.evaluation.scores import read_scores
    from dicegrad.evaluation.test_set import TEST_SCORES

    return read_scores(paths[0], TEST_SCORES)


def _epsilon(paths: Sequence[str]) -> "pd.DataFrame":
    from dicegrad.preprocessing.epsilon import EPSILON

    return read_table(paths[0], EPSILON)


def _cases(paths: Sequence[str]) -> list[Any]:
    from dicegrad.data.cases import read_cases

    return read_cases(Path(paths[0]))


def _images(paths: Sequence[str]) -> Any:  # noqa: ANN401
    """The prepared images and cases of each dataset, from images.npy and cases.tsv in turn."""
    import numpy as np

    from dicegrad.arrays import open_array
    from dicegrad.data.cases import read_cases
    from dicegrad.evaluation.apart import Images

    found = {}
    for arrays, table in zip(paths[::2], paths[1::2], strict=True):
        cases = read_cases(Path(table))
        images = open_array(Path(arrays), np.float16, (len(cases), None, None, None, None))
        found[Path(table).parent.name] = Images(cases, images)
    return found


def _prepared(paths: Sequence[str]) -> Any:  # noqa: ANN401
    from dicegrad.preprocessing.about import read_about

    return read_about(Path(paths[0]))


def _histories(paths: Sequence[str]) -> "pd.DataFrame":
    """history.tsv of all training runs below each other, with the columns of the experiment."""
    import pandas as pd

    from dicegrad.training.history import HISTORY

    tables = []
    for path in paths:
        experiment = Experiment.from_path(path)
        fold = int(Path(path).parent.name.partition("~")[2])
        above = Path(path).parents[1].name
        seed = above if above.startswith("seed~") else ""
        table = read_table(path, HISTORY).assign(**vars(experiment), experiment=experiment.path)
        tables.append(table.assign(seed=seed, fold=fold))
    return pd.concat(tables, ignore_index=True)


def _voxels(paths: Sequence[str]) -> "pd.DataFrame":
    """Class volumes of resources/<dataset>/volumes/<labeling>.tsv, with group and fold."""
    import pandas as pd

    from dicegrad.data.cases import read_cases
    from dicegrad.evaluation.epsilon_sweep import voxels_of
    from dicegrad.files import read_rows
    from dicegrad.preprocessing.epsilon import read_volumes
    from dicegrad.preprocessing.folds import FOLDS

    tables = []
    for path in map(Path, paths):
        if path.parent.name != "volumes":
            continue  # cases.tsv and folds.tsv, which are read beside each table of volumes
        folder = path.parents[1]
        cases = read_cases(folder / "cases.tsv")
        folds = {row["subject"]: row["fold"] for row in read_rows(folder / "folds.tsv", FOLDS)}
        if absent := [case.subject for case in cases if case.subject not in folds]:
            raise InputError(f"{folder / 'folds.tsv'}: subject {absent[0]!r} has no fold")
        voxels = voxels_of(cases, folds, *read_volumes(path))
        tables.append(voxels.assign(dataset=folder.name, labeling=path.stem))
    return pd.concat(tables, ignore_index=True)

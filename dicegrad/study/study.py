"""A study: its table of experiments, its datasets and its settings, read and checked in one place.

Everything is checked here, before anything is planned, and a mistake is one line that names the
file, the key and the value.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dicegrad.errors import InputError, nearest
from dicegrad.files import read_cells
from dicegrad.study.dataset import Dataset
from dicegrad.study.experiment import COLUMNS, DEFAULTS, REQUIRED, Experiment
from dicegrad.study.labeling import labels_taken, missing_share, sort_labelings
from dicegrad.study.naming import name_setups
from dicegrad.study.schemas import read_schema, with_defaults


@dataclass(frozen=True)
class Study:
    """What a user writes, typed.

    Attributes:
        name: Of the folder results/<name>/; part of every seed.
        experiments: Rows of the table, in its order.
        datasets: Those of the table, by name, in the order of their first row.
        seeds: Of the training runs: every row and fold is trained once with each.
        wanted_folds: `all`, or the folds to run.
        device: `auto`, `cpu` or `cuda`.
        training_threads: Threads of one training run.
        tensorboard: Whether training runs write what TensorBoard shows.
        outputs: `all`, or names of `reporting.outputs.OUTPUTS`.
        draws: Random sign patterns of the Monte Carlo tests.
    """

    name: str
    experiments: tuple[Experiment, ...]
    datasets: Mapping[str, Dataset]
    seeds: tuple[int, ...] = (0,)
    wanted_folds: str | list[int] = "all"
    device: str = "auto"
    training_threads: int = 1
    tensorboard: bool = False
    outputs: str | list[str] = "all"
    draws: int = 100_000

    @classmethod
    def read(cls, config: Mapping[str, Any], where: str, folder: Path | Sequence[Path]) -> "Study":
        """Read a study: the only door for workflow and command line.

        Args:
            config: The config, as Snakemake merged it.
            where: Its files, for messages.
            folder: Holds `datasets/<name>.yaml`; of several the first that does.

        Raises:
            InputError: The first mistake in config, table or dataset files.
        """
        settings = with_defaults(config, read_schema("config"), where)
        if "seed" in config and "seeds" in config:
            raise InputError(f"{where}: has both seed and seeds; leave one of them out")
        table = Path(settings["experiments"])
        experiments = read_experiments(table)
        names = [experiment.dataset for experiment in experiments]
        folders = [folder] if isinstance(folder, Path) else folder
        places = [each / "datasets" for each in folders]
        datasets = read_datasets(names, places, settings["datasets"], where)
        _check_phantoms(datasets)
        for experiment in experiments:
            try:
                dataset = datasets[experiment.dataset]
                experiment.check(dataset.classes)
                dataset.check_engine(experiment)
                dataset.labeling(experiment.labeling)
            except InputError as error:
                row = " ".join(map(str, experiment.row.values()))
                raise InputError(f"{table}: {row}: {error}") from None
        study = cls(
            name=settings["study"],
            experiments=tuple(experiments),
            datasets=datasets,
            seeds=tuple(settings.get("seeds", [settings["seed"]])),
            wanted_folds=settings["folds"],
            device=settings["device"],
            training_threads=settings["training_threads"],
            tensorboard=settings["tensorboard"],
            outputs=settings["outputs"],
            draws=settings["draws"],
        )
        for name in datasets:
            study.folds(name)
        return study

    def folds(self, dataset: str) -> list[int]:
        """The folds of a dataset that the study runs."""
        return self.datasets[dataset].folds_to_run(self.wanted_folds)

    @cached_property
    def setups(self) -> dict[Experiment, str]:
        """The name of each experiment's setup."""
        return name_setups(self.experiments)

    def of_dataset(self, dataset: str) -> list[Experiment]:
        """The experiments on a dataset."""
        return [each for each in self.experiments if each.dataset == dataset]

    def labelings(self, dataset: str) -> list[str]:
        """The labelings of a dataset that the study trains on, in the order of the table."""
        return list(dict.fromkeys(each.labeling for each in self.of_dataset(dataset)))

    def has_missing(self, dataset: str) -> bool:
        """Whether a dataset is trained on labels that a labeling takes something from."""
        return any(missing_share(labeling) > 0 for labeling in self.labelings(dataset))

    def most_missing(self, dataset: str, groups: Sequence[str]) -> list[Experiment]:
        """The experiments of a dataset under its labeling with the most missing labels.

        Args:
            dataset: One of the study.
            groups: Of its data.

        Returns:
            Those of the labeling that takes the most maps, shares of groups and classes summed;
            none if the dataset is only trained on full labels.
        """
        here = [each for each in self.of_dataset(dataset) if missing_share(each.labeling) > 0]
        names = {each.labeling for each in here}
        shares = self.datasets[dataset].about(groups, names)["labelings"]
        most = sort_labelings(names, {name: labels_taken(shares[name]) for name in names})[-1:]
        return [each for each in here if each.labeling in most]


def _check_phantoms(datasets: Mapping[str, Dataset]) -> None:
    """Two data sets in one folder have to be the same phantom: one of them is made for both."""
    first: dict[Path, Dataset] = {}
    for dataset in datasets.values():
        made = dataset.block("phantom")
        other = first.setdefault(dataset.root, dataset) if made else dataset
        if made != other.block("phantom"):
            raise InputError(
                f"datasets {other.name} and {dataset.name} are different phantoms in one folder, "
                f"{dataset.root}; give one of them a root of its own"
            )


def read_experiments(path: Path) -> list[Experiment]:
    """The experiment table.

    Columns with a default may be left out.

    Raises:
        InputError: The table is missing or empty, a row is wrong, or a row comes twice.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such experiment table; set `experiments` to one")
    header, lines = read_cells(path, comments=True)
    _check_header(header, path)
    experiments: dict[tuple[object, ...], int] = {}
    rows: list[Experiment] = []
    for number, cells in lines:
        where = f"{path}: experiment {len(rows) + 1} (line {number})"
        if "" in cells:
            raise InputError(f"{where} has an empty column; fill it, and separate columns by tabs")
        try:
            experiment = Experiment.from_row(dict(zip(header, cells, strict=True)))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        if experiment.key in experiments:
            raise InputError(
                f"{where} repeats experiment {experiments[experiment.key]}; remove one"
            )
        rows.append(experiment)
        experiments[experiment.key] = len(rows)
    if not rows:
        raise InputError(f"{path}: no experiment in it; add a row")
    return rows


def _check_header(header: list[str], path: Path) -> None:
    unknown = [name for name in header if name not in COLUMNS]
    absent = [name for name in REQUIRED if name not in header]
    if unknown or absent:
        what = f"has no column {unknown[0]!r}" if unknown else f"needs the column {absent[0]}"
        raise InputError(
            f"{path}: an experiment {what}{nearest(unknown[0], COLUMNS) if unknown else ''}; the "
            f"columns are, separated by tabs: {', '.join(REQUIRED)}, and perhaps "
            f"{', '.join(DEFAULTS)}"
        )


def read_datasets(
    names: Iterable[str],
    folders: Sequence[Path],
    changes: Mapping[str, Mapping[str, Any]],
    config_file: str = "config",
) -> dict[str, Dataset]:
    """The datasets that a study uses.

    Args:
        names: Datasets of the experiment table.
        folders: Hold `<name>.yaml`; the first that does is asked.
        changes: The config's `datasets`, laid over the files key by key.
        config_file: For messages about changes.

    Raises:
        InputError: There is no such dataset, or a setting is wrong.
    """
    names = list(dict.fromkeys(names))
    files = {p.stem: p for folder in reversed(folders) for p in folder.glob("*.yaml")}
    known = sorted(files)
    datasets = {}
    for name in dict.fromkeys([*changes, *names]):
        if name not in known:
            raise InputError(
                f"dataset {name!r}: no {folders[0] / name}.yaml; there are {', '.join(known)}"
                f"{nearest(name, known)}"
            )
        datasets[name] = Dataset.read(files[name], changes.get(name), config_file)
    return {name: datasets[name] for name in names}

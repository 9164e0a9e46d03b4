"""A study as its user writes it: a config, a table of experiments, a file per dataset.

Everything is checked here, before anything is planned, and a fault is one line that names the
file, the key and the value.
"""

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dicegrad.errors import InputError
from dicegrad.preprocessing.epsilon import HEURISTIC, NONE, epsilon_number, heuristic_multiple
from dicegrad.schemas import Settings, check, read_yaml

COLUMNS = ("dataset", "labeling", "loss", "phi", "epsilon", "batch_size")


def read_experiments(path: Path, schema: Settings) -> list[dict[str, str]]:
    """The experiment table, one dictionary of text a row.

    Values stay as they are written, since the row is the path of its results.

    Raises:
        InputError: The table is missing or empty, a row is wrong, or a row comes twice.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such experiment table; set `experiments` to one")
    try:
        text = path.read_text(encoding="utf-8-sig")  # a spreadsheet may put a byte-order mark
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text ({error}); save it as such") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    reader = csv.DictReader(lines, delimiter="\t", restval="", restkey="more")
    rows = list(reader)
    header = list(reader.fieldnames or [])
    if header != list(COLUMNS):
        raise InputError(
            f"{path}: the columns are {', '.join(header) or 'none'}; they should be, separated "
            f"by tabs: {', '.join(COLUMNS)}"
        )
    if not rows:
        raise InputError(f"{path}: no experiment in it; add a row")
    seen: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(rows, start=1):
        where = f"{path}: experiment {number}"
        if "more" in row:
            raise InputError(f"{where} goes on after batch_size with {row['more']}; remove it")
        if "" in row.values():
            raise InputError(f"{where} has an empty column; fill it, and separate columns by tabs")
        check(row, schema, where)
        if (key := tuple(row.values())) in seen:
            raise InputError(f"{where} repeats experiment {seen[key]}; remove one")
        seen[key] = number
    return rows


def check_experiment(row: Mapping[str, str], dataset: Settings, path: Path) -> None:
    """Whether a loss makes sense for a dataset.

    Raises:
        InputError: It does not; says which row of the table at `path`, and why.
    """
    try:
        check_loss(row, dataset["classes"])
    except InputError as error:
        raise InputError(f"{path}: {' '.join(row.values())}: {error}") from None


def check_loss(row: Mapping[str, str], classes: list[str]) -> None:
    """Whether loss, phi and epsilon of an experiment fit each other and the classes.

    Raises:
        InputError: They do not.
    """
    if row["loss"] == "cross_entropy":
        if not row["phi"] == row["epsilon"] == NONE:
            raise InputError(f"cross-entropy has neither phi nor epsilon; write {NONE} for both")
        return
    if NONE in (row["phi"], row["epsilon"]):
        raise InputError(
            f"loss {row['loss']} needs a phi and an epsilon, say I and 1e-7; {NONE} is for "
            "cross_entropy alone"
        )
    heuristic = heuristic_multiple(row["epsilon"]) is not None
    if not heuristic:
        epsilon_number(row["epsilon"])
    if row["loss"] not in ("dice", "dice_ce") and (row["phi"] != "I" or heuristic):
        raise InputError(
            f"loss {row['loss']} is image-wise with a numeric epsilon; write phi I and, say, "
            "epsilon 1e-7"
        )
    if row["loss"] == "marginal" and len(classes) == 1:
        raise InputError(
            "marginal Dice adds a missing class to the background map, which a single class "
            f"({classes[0]}) has not; use it with two classes or more"
        )
    if heuristic and "C" in row["phi"] and len(classes) > 1:
        raise InputError(
            f"the heuristic gives one epsilon per class, but phi {row['phi']} sums over classes; "
            "write phi I or BI, or a number"
        )


def read_datasets(
    names: Iterable[str],
    folder: Path,
    overrides: Mapping[str, Settings],
    schema: Settings,
    config_file: str = "config",
) -> dict[str, Settings]:
    """The settings of the datasets that a study uses.

    Args:
        names: Datasets of the experiment table.
        folder: Holds `<name>.yaml`.
        overrides: The config's `datasets`, merged over the files key by key.
        schema: Of a dataset.
        config_file: For messages about overrides.

    Raises:
        InputError: There is no such dataset, or a setting is wrong.
    """
    names = list(dict.fromkeys(names))
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    datasets = {}
    for name in dict.fromkeys([*overrides, *names]):
        if name not in known:
            raise InputError(f"dataset {name!r}: no {folder / name}.yaml; there are {known}")
        settings = read_yaml(folder / f"{name}.yaml")
        check(settings, schema, str(folder / f"{name}.yaml"))
        settings = merge(settings, overrides.get(name, {}))
        check(settings, schema, f"{config_file}: datasets.{name}")
        changed = f"{config_file}: datasets.{name}"
        _check_sense(settings, changed if name in overrides else str(folder / f"{name}.yaml"))
        datasets[name] = {**settings, "root": str(Path(settings["root"]).expanduser())}
    return {name: datasets[name] for name in names}


def sampling_of(dataset: Settings, labeling: str, epsilon: str = HEURISTIC) -> dict[str, int]:
    """How often the cases of a group are listed, in an epoch and in the heuristic epsilon.

    Args:
        dataset: Its settings.
        labeling: A share of partial is sampled as `partial` is.
        epsilon: Of the experiment; the heuristic and its multiples alone are sampled so.

    Returns:
        Group -> times; once where it is not named.
    """
    if heuristic_multiple(epsilon) is None:
        return {}
    return dataset.get("sampling", {}).get(labeling.partition("-")[0], {})


def merge(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Settings with changes laid over them; mappings merge, all else is replaced."""
    result = dict(settings)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merge(result[key], value) if both else value
    return result


def folds_to_run(wanted: str | list[int], count: int, dataset: str) -> list[int]:
    """The folds of a dataset that a study runs.

    Raises:
        InputError: A fold that the dataset does not have.
    """
    if wanted == "all":
        return list(range(count))
    if beyond := [fold for fold in wanted if not 0 <= fold < count]:
        raise InputError(f"folds: {beyond[0]} is not a fold of {dataset}; it has 0 to {count - 1}")
    return list(wanted)


def _check_sense(settings: Settings, where: str) -> None:
    """What a schema cannot say: that parts of the settings fit each other."""
    for name in settings["missing"]["classes"]:
        if name not in settings["classes"]:
            known = ", ".join(settings["classes"])
            raise InputError(f"{where}: missing.classes has {name!r}; the classes are {known}")
    if "download" in settings and settings["adapter"] not in ("acdc", "brats"):
        raise InputError(
            f"{where}: download is for the adapters acdc and brats, not {settings['adapter']}; "
            "remove it, and put the data at `root`"
        )
    for switch in ("loss_scale", "epsilon_broadcast"):
        if switch in settings.get("released", ()) and len(settings["classes"]) == 1:
            raise InputError(
                f"{where}: released has {switch}, which is about the mean over several classes; "
                f"there is only {settings['classes'][0]}: remove it"
            )
    network = settings["network"]
    levels = len(network["encoder"])
    if not len(network["decoder"]) == len(network["pools"]) == levels - 1:
        raise InputError(
            f"{where}: network has {levels} encoder levels, so {levels - 1} decoder levels and "
            f"pools; got {len(network['decoder'])} and {len(network['pools'])}"
        )
    lengths = [len(block) for block in (*network["encoder"], *network["decoder"])]
    longest = max(lengths)
    if not min(lengths):
        raise InputError(f"{where}: network has a block without a convolution; give it features")
    if longest > len(network["kernels"]):
        raise InputError(
            f"{where}: network.kernels names {len(network['kernels'])}, but a block has {longest} "
            "convolutions; add a kernel for each"
        )
    size = settings["preprocessing"]["size"]
    divisors = [math.prod(axis) for axis in zip(*network["pools"], strict=True)]
    for axis, length, divisor in zip("xyz", size, divisors, strict=True):
        if length % divisor:
            raise InputError(
                f"{where}: preprocessing.size {size} cannot be pooled; its {axis} must be a "
                f"multiple of {divisor}"
            )
    if size == divisors:
        raise InputError(
            f"{where}: preprocessing.size {size} is pooled to a single voxel, which cannot be "
            "normalised; leave out a level of the network"
        )

"""What commands that run a network share: a dataset file, and a device."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from dicegrad.errors import InputError


def read_dataset(path: Path, needed: Sequence[str], configfile: Path | None = None) -> dict:
    """A dataset file, held against the schema where that and the package jsonschema are there.

    Args:
        path: Such as config/datasets/acdc.yaml.
        needed: Keys that it must have.
        configfile: Config of a study, whose `datasets` may replace settings.

    Raises:
        InputError: A file cannot be read, or a setting is missing or wrong.
    """
    from dicegrad.schemas import check, read_yaml
    from dicegrad.study import merge

    settings, where = read_yaml(path), str(path)
    if configfile is not None:
        datasets = read_yaml(configfile).get("datasets") or {}
        replaced = datasets.get(path.stem, {}) if isinstance(datasets, dict) else datasets
        if not isinstance(replaced, dict):
            raise InputError(
                f"{configfile}: datasets has {replaced!r}; it should hold settings by dataset"
            )
        settings = merge(settings, replaced)
        where = f"{path} with {configfile}"
    for key in needed:
        if key not in settings:
            raise InputError(f"{where}: {key} is missing; add it")
    schema = Path(__file__).parents[2] / "config" / "schemas" / "dataset.schema.yaml"
    if schema.is_file() and find_spec("jsonschema"):
        check(settings, {**read_yaml(schema), "required": []}, where)
    return settings


def device_there(name: str) -> str:
    """A device that is there; `auto` is a GPU where there is one."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, colon, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (colon and not number):
        raise InputError(f"device is {name!r}; choose auto, cpu, cuda, or one card such as cuda:1")
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device is {name}, but torch {torch.__version__} finds no GPU here")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if number and number not in map(str, range(count)):
        raise InputError(f"device is {name}, but there are 0 to {count - 1} of {kind} here")
    return name

"""The dataset file of a command, with what the config of a study replaces."""

from pathlib import Path
from typing import TYPE_CHECKING

from dicegrad.errors import InputError, nearest

if TYPE_CHECKING:
    from dicegrad.study import Dataset


def open_dataset(path: Path, configfile: Path | None) -> "Dataset":
    """Read a dataset file.

    Args:
        path: Such as config/datasets/acdc.yaml.
        configfile: Config of a study, whose `datasets` may replace settings.

    Raises:
        InputError: A file cannot be read, or a setting is missing or wrong.
    """
    from dicegrad.study import Dataset
    from dicegrad.study.schemas import check, read_schema, read_yaml, shown

    if configfile is None:
        return Dataset.read(path)
    settings = read_yaml(configfile)
    known: dict[str, dict] = {key: {} for key in read_schema("config")["properties"]}
    check(settings, {"additionalProperties": False, "properties": known}, str(configfile))
    changes = settings.get("datasets") or {}
    of_dataset = changes.get(path.stem, {}) if isinstance(changes, dict) else changes
    if not isinstance(of_dataset, dict):
        raise InputError(
            f"{configfile}: datasets has {shown(of_dataset)}; it should hold settings by dataset"
        )
    others = [name for name in changes if not path.with_name(f"{name}.yaml").exists()]
    if path.stem not in changes and (meant := nearest(path.stem, others)):
        raise InputError(f"{configfile}: datasets has no {path.stem!r}{meant}; correct the name")
    return Dataset.read(path, of_dataset, str(configfile))

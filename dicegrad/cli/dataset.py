"""The dataset file of a command, with what the config of a study replaces."""

from pathlib import Path
from typing import TYPE_CHECKING

from dicegrad.errors import InputError

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
    from dicegrad.study.schemas import read_yaml, shown

    if configfile is None:
        return Dataset.read(path)
    changes = read_yaml(configfile).get("datasets") or {}
    of_dataset = changes.get(path.stem, {}) if isinstance(changes, dict) else changes
    if not isinstance(of_dataset, dict):
        raise InputError(
            f"{configfile}: datasets has {shown(of_dataset)}; it should hold settings by dataset"
        )
    return Dataset.read(path, of_dataset, str(configfile))

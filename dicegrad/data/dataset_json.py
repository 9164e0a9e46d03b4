"""What a dataset.json says: channels, classes, the ignore label, and where the files are.

nnU-Net 2, nnU-Net 1 and the Medical Segmentation Decathlon write it in their own words.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dicegrad.errors import InputError
from dicegrad.files import read_json

NAME = "dataset.json"
IGNORE = "ignore"


def read_dataset_json(path: Path) -> dict[str, Any]:
    """Read the file.

    Raises:
        InputError: It is missing, no JSON, or holds something else than an object.
    """
    if not path.exists():
        raise InputError(f"{path}: missing; it names the channels and labels of the folder")
    about = read_json(path)
    if not isinstance(about, dict):
        raise InputError(f"{path}: holds a {type(about).__name__}; it must hold an object {{...}}")
    return about


def channels(about: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Names of the image channels, in order.

    Raises:
        InputError: They are not given, or two have one name.
    """
    # nnU-Net 1 and the Medical Segmentation Decathlon say `modality`, nnU-Net 2 `channel_names`.
    named = about.get("channel_names", about.get("modality"))
    if not isinstance(named, dict) or sorted(named) != sorted(str(i) for i in range(len(named))):
        raise InputError(
            f'{path}: channel_names is {named!r}; write it as {{"0": "flair", "1": "t1"}}'
        )
    names = tuple(str(named[str(i)]) for i in range(len(named)))
    if not names or len(set(names)) != len(names):
        raise InputError(f"{path}: channel_names are {list(names)}; give each its own name")
    return names


def file_ending(about: Mapping[str, Any], path: Path) -> str:
    """How the names of images and labels end.

    Raises:
        InputError: It is no ending.
    """
    ending = about.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or not re.fullmatch(r"(\.[A-Za-z0-9]+)+", ending):
        raise InputError(
            f'{path}: file_ending is {ending!r}; write it with its point, such as ".nii.gz"'
        )
    return ending


def class_values(about: Mapping[str, Any], path: Path) -> dict[str, tuple[int, ...]]:
    """For each class the label values that it consists of, in the order of the file.

    Raises:
        InputError: `labels` is missing or holds something else than whole numbers from 0 to 255.
    """
    labels = about.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise InputError(
            f'{path}: labels is {labels!r}; write it as {{"background": 0, "tumor": 1}}'
        )
    # The Medical Segmentation Decathlon writes it the other way round, {"1": "tumor"}.
    if all(str(key).isdigit() and isinstance(value, str) for key, value in labels.items()):
        labels = {value: int(key) for key, value in labels.items()}
    classes = {}
    for name, given in labels.items():
        values = given if isinstance(given, list) else [given]
        if not values or any(type(value) is not int or not 0 <= value <= 255 for value in values):
            raise InputError(
                f"{path}: label {name} is {given!r}; write whole numbers from 0 to 255"
            )
        if values != [0] and name != IGNORE:
            classes[str(name)] = tuple(values)
    return classes


def ignore_value(about: Mapping[str, Any], path: Path) -> int | None:
    """The value of the label `ignore`: voxels of which no label is known.

    Raises:
        InputError: It is no whole number.
    """
    value = about.get("labels", {}).get(IGNORE)
    if value is not None and type(value) is not int:
        raise InputError(f"{path}: label {IGNORE} is {value!r}; write one whole number")
    return value

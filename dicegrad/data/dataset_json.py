"""What a dataset.json says: channels, classes, the ignore label, and where the files are.

nnU-Net 2, nnU-Net 1 and the Medical Segmentation Decathlon write it in their own words.
"""

import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path, PurePosixPath
from typing import Any

from dicegrad.data.annotated import ALL, NO_CLASS
from dicegrad.data.names import look_alikes, name_problem
from dicegrad.errors import InputError
from dicegrad.files import read_json

NAME = "dataset.json"
IGNORE, BACKGROUND = "ignore", "background"
# What else stands where names of classes do: in annotated.tsv, and at the head of its columns.
_WORDS = (ALL, NO_CLASS, "case")


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
    names = [named[str(i)] for i in range(len(named))]
    if other := [name for name in names if not isinstance(name, str)]:
        raise InputError(f"{path}: channel_names has {other[0]!r}; write a name")
    if not names or len(set(names)) != len(names):
        raise InputError(f"{path}: channel_names are {names}; give each its own name")
    if found := [*filter(None, (name_problem("channel", name) for name in names))]:
        raise InputError(f"{path}: {found[0]}")
    return tuple(names)


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


def training_cases(about: Mapping[str, Any], path: Path) -> int | None:
    """How many training cases there are said to be; None where it is not said.

    Raises:
        InputError: It is no whole number.
    """
    said = about.get("numTraining")
    if said is not None and (type(said) is not int or said < 0):
        raise InputError(f"{path}: numTraining is {said!r}; write the number of training cases")
    return said


def training_list(about: Mapping[str, Any]) -> set[str]:
    """Names of the label files that the Decathlon's `training` lists; empty where it is not so."""
    entries = about.get("training")
    labels = [
        entry.get("label") if isinstance(entry, dict) else None
        for entry in (entries if isinstance(entries, list) else [])
    ]
    names = {PurePosixPath(label).name for label in labels if isinstance(label, str)}
    return names if all(isinstance(label, str) for label in labels) else set()


def count_problems(
    labels: Set[str], said: int | None, training: Set[str], path: Path
) -> Iterator[str]:
    """Lines where dataset.json says another number of cases than there are, or lists fewer.

    Args:
        labels: Names of the label files that there are.
        said: What `training_cases` returns.
        training: What `training_list` returns.
        path: Of dataset.json.
    """
    found = len(labels)
    if said is not None and said != found:
        yield (
            f"{path}: numTraining is {said}, but there are {found} cases; see which is "
            f"missing or too many, or write {found}"
        )
    # A list of none of them is of other names, and says nothing.
    if (left := sorted(labels - training)) and len(left) < found:
        yield (
            f"{path}: training lists {found - len(left)} of the {found} cases, and leaves out "
            f"{len(left)}, such as {left[0]}; list them too, or move their files elsewhere"
        )


def class_values(about: Mapping[str, Any], path: Path) -> dict[str, tuple[int, ...]]:
    """For each class the label values that it consists of, in the order of the file.

    Raises:
        InputError: `labels` is missing, names no class, gives one name or one value two meanings,
            or holds something else than whole numbers from 0 to 255.
    """
    classes: dict[str, tuple[int, ...]] = {}
    background = ""
    for name, given in _labels(about, path).items():
        values = _values(name, given, path)
        if name.casefold() == IGNORE:
            _check_ignore(name, given, path)
        elif values == (0,):
            if background:
                raise InputError(
                    f"{path}: labels {background} and {name} are both 0, which is background; give "
                    "each class a value of its own"
                )
            background = name
        elif name.casefold() == BACKGROUND or 0 in values:
            raise InputError(
                f"{path}: label {name} is {given!r}; 0 alone is background, and all else is a class"
            )
        else:
            classes[name] = values
    _check_classes(classes, path)
    return classes


def ignore_value(about: Mapping[str, Any], path: Path) -> int | None:
    """The value of the label `ignore`: voxels of which no label is known.

    Raises:
        InputError: It is no whole number above 0, or that of a class.
    """
    value = _labels(about, path).get(IGNORE)
    if value is None:
        return None
    _check_ignore(IGNORE, value, path)
    for name, values in class_values(about, path).items():
        if value in values:
            raise InputError(
                f"{path}: label {IGNORE} is {value}, and so is {name}; give it a value of its own"
            )
    return value


def _labels(about: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Name -> value or values, as nnU-Net 2 writes it."""
    labels = about.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise InputError(
            f'{path}: labels is {labels!r}; write it as {{"background": 0, "tumor": 1}}'
        )
    # nnU-Net 1 and the Medical Segmentation Decathlon write it the other way round, {"1": "tumor"}.
    if not all(key.isdigit() and isinstance(value, str) for key, value in labels.items()):
        return labels
    found: dict[str, Any] = {}
    for key, name in labels.items():
        if (key != key.lstrip("0") and key != "0") or not key.isascii():
            raise InputError(f"{path}: label {name} is {key!r}; write whole numbers from 0 to 255")
        if name in found:
            raise InputError(
                f"{path}: label {name} is both {found[name]} and {key}; give each value its own "
                f'name, or write one class of several as {{"{name}": [{found[name]}, {key}]}}'
            )
        found[name] = int(key)
    return found


def _values(name: str, given: Any, path: Path) -> tuple[int, ...]:  # noqa: ANN401
    values = given if isinstance(given, list) else [given]
    if not values or any(type(value) is not int or not 0 <= value <= 255 for value in values):
        raise InputError(f"{path}: label {name} is {given!r}; write whole numbers from 0 to 255")
    if len(set(values)) < len(values):
        raise InputError(f"{path}: label {name} is {given!r}; write each number once")
    return tuple(values)


def _check_ignore(name: str, given: Any, path: Path) -> None:  # noqa: ANN401
    if name != IGNORE:
        raise InputError(
            f"{path}: label {name} would be a class; write {IGNORE} if its voxels are to be "
            "ignored, or give it another name"
        )
    if type(given) is not int or given == 0:
        raise InputError(f"{path}: label {IGNORE} is {given!r}; write one whole number above 0")


def _check_classes(classes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """See that there are classes, and that their names are read as names wherever they stand."""
    if not classes:
        raise InputError(
            f'{path}: labels names no class; write it as {{"background": 0, "tumor": 1}}'
        )
    problems = [name_problem("class", name) for name in classes]
    for name in classes:
        if name.casefold() in _WORDS:
            problems.append(f"class {name!r}: is a reserved word in tables of cases; rename it")
        if "," in name:
            problems.append(f"class {name!r}: has ',', which separates classes; rename it")
    if found := [*filter(None, problems), *look_alikes("class", classes)]:
        raise InputError(f"{path}: {found[0]}")

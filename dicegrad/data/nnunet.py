"""A folder in nnU-Net layout: dataset.json, imagesTr/<id>_0000.nii.gz, labelsTr/<id>.nii.gz."""

import glob
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dicegrad.data.adapter import Adapter, Case, Scan, existing_root
from dicegrad.errors import InputError
from dicegrad.files import Columns, read_rows, read_text

HOLDS = "dataset.json, imagesTr/<id>_0000.nii.gz and labelsTr/<id>.nii.gz"
ONE_GROUP = "all"
IGNORE = "ignore"
_NUMBERED = re.compile(r"_[0-9]{4}$")
_GROUPS = Columns(text=("case", "subject", "group"), rest="text")


def nnunet_adapter(root: Path) -> Adapter:
    """Build the adapter of one nnU-Net folder from its dataset.json and groups.tsv.

    Args:
        root: The folder that holds dataset.json. A table ``groups.tsv`` beside it (columns case,
            subject, group) names the groups; without it each case is its own subject in the one
            group ``all``.

    Raises:
        InputError: The folder or dataset.json is missing or cannot be used.
    """
    root = existing_root(root, HOLDS)
    about = _read_dataset_json(root / "dataset.json")
    rows = _read_groups(root / "groups.tsv")
    return make_adapter(about, rows, root / "dataset.json")


def make_adapter(about: dict, rows: dict[str, tuple[str, str]], where: Path) -> Adapter:
    """Build the adapter from what dataset.json and groups.tsv hold.

    Args:
        about: Content of dataset.json.
        rows: Case -> (subject, group); empty for a single group.
        where: dataset.json, for messages.

    Raises:
        InputError: dataset.json cannot be used.
    """
    groups = tuple(sorted({group for _, group in rows.values()})) or (ONE_GROUP,)
    ending = _ending(about, where)
    channels = _channels(about, where)
    return Adapter(
        name="nnunet",
        channels=channels,
        groups=groups,
        class_values=_class_values(about, where),
        scan=partial(_scan, ending=ending, count=len(channels), rows=rows),
        files=partial(_files, ending=ending, count=len(channels), rows=rows),
        ignore=_ignore_value(about, where),
    )


def _read_dataset_json(path: Path) -> dict:
    if not path.is_file():
        raise InputError(f"{path}: missing; an nnU-Net folder names its channels and labels there")
    try:
        about = json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error}); correct it") from None
    if not isinstance(about, dict):
        raise InputError(f"{path}: holds a {type(about).__name__}; it must hold an object {{...}}")
    return about


def _channels(about: dict, path: Path) -> tuple[str, ...]:
    # nnU-Net 1 and the Medical Segmentation Decathlon say `modality`, nnU-Net 2 `channel_names`.
    named = about.get("channel_names", about.get("modality"))
    if not isinstance(named, dict) or sorted(named) != sorted(str(i) for i in range(len(named))):
        raise InputError(
            f'{path}: channel_names is {named!r}; write it as {{"0": "flair", "1": "t1"}}'
        )
    channels = tuple(str(named[str(i)]) for i in range(len(named)))
    if not channels or len(set(channels)) != len(channels):
        raise InputError(f"{path}: channel_names are {list(channels)}; give each its own name")
    return channels


def _ending(about: dict, path: Path) -> str:
    ending = about.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or not re.fullmatch(r"(\.[A-Za-z0-9]+)+", ending):
        raise InputError(
            f'{path}: file_ending is {ending!r}; write it with its point, such as ".nii.gz"'
        )
    return ending


def _class_values(about: dict, path: Path) -> dict[str, tuple[int, ...]]:
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


def _ignore_value(about: dict, path: Path) -> int | None:
    """The value of the label `ignore`: voxels of which no label is known."""
    value = about.get("labels", {}).get(IGNORE)
    if value is not None and type(value) is not int:
        raise InputError(f"{path}: label {IGNORE} is {value!r}; write one whole number")
    return value


def _read_groups(path: Path) -> dict[str, tuple[str, str]]:
    """Return {case: (subject, group)}; empty where the table does not exist."""
    if not path.is_file():
        return {}
    rows: dict[str, tuple[str, str]] = {}
    for row in read_rows(path, _GROUPS):
        if not (row["case"] and row["subject"] and row["group"]):
            raise InputError(f"{path}: case {row['case']!r} has an empty field; fill it")
        if row["case"] in rows:
            raise InputError(f"{path}: case {row['case']} comes twice; keep one line of it")
        rows[row["case"]] = (row["subject"], row["group"])
    return rows


def _case_ids(root: Path, ending: str) -> list[str]:
    images = {path.name[: -len(ending)] for path in (root / "imagesTr").glob(f"*{ending}")}
    numbered = {name[:-5] for name in images if _NUMBERED.search(name)}
    # The Medical Segmentation Decathlon gives a case one file, without a number.
    plain = {name for name in images if not _NUMBERED.search(name)}
    labels = {path.name[: -len(ending)] for path in (root / "labelsTr").glob(f"*{ending}")}
    return sorted(name for name in numbered | plain | labels if not name.startswith("."))


def _images(root: Path, name: str, ending: str, count: int) -> tuple[Path, ...]:
    """The files of a case, one a channel; a single channel may have no number."""
    folder = root / "imagesTr"
    numbered = tuple(folder / f"{name}_{i:04d}{ending}" for i in range(count))
    plain = folder / f"{name}{ending}"
    return (plain,) if count == 1 and plain.is_file() and not numbered[0].is_file() else numbered


def _file_problems(root: Path, name: str, ending: str, count: int) -> Iterator[str]:
    """Lines on files of a case that nobody would read."""
    folder = root / "imagesTr"
    if count > 1 and (folder / f"{name}{ending}").is_file():
        yield (
            f"{folder / name}{ending}: is one file for {count} channels (4-D), as the Medical "
            f"Segmentation Decathlon gives it out; split it into {name}_0000{ending} to "
            f"{name}_{count - 1:04d}{ending}"
        )
    for path in sorted(folder.glob(f"{glob.escape(name)}_[0-9][0-9][0-9][0-9]{ending}")):
        number = int(path.name[: -len(ending)][-4:])
        if number >= count:
            yield (
                f"{path}: is channel {number}, but dataset.json names {count} channels from 0; "
                "name it there, or remove the file"
            )


def _scan(root: Path, ending: str, count: int, rows: dict[str, tuple[str, str]]) -> Scan:
    root = existing_root(root, HOLDS)
    ids = _case_ids(root, ending)
    if not ids:
        raise InputError(f"root {root}: no case in it; it should hold {HOLDS}")
    cases: list[Case] = []
    problems: list[str] = []
    for name in ids:
        problems += _file_problems(root, name, ending, count)
        if rows and name not in rows:
            problems.append(f"{root / 'groups.tsv'}: no line for case {name}; add one")
            continue
        subject, group = rows.get(name, (name, ONE_GROUP))
        label = root / "labelsTr" / f"{name}{ending}"
        cases.append(Case(name, subject, group, _images(root, name, ending, count), label))
    problems += [
        f"{root / 'groups.tsv'}: case {name} has no file in imagesTr or labelsTr; drop the line"
        for name in sorted(set(rows) - set(ids))
    ]
    return Scan(tuple(cases), tuple(problems))


def _files(root: Path, ending: str, count: int, rows: dict[str, tuple[str, str]]) -> list[Path]:
    cases = _scan(root, ending, count, rows).cases
    named = [path for case in cases for path in (*case.images, case.label)]
    named += [Path(root) / "dataset.json", Path(root) / "groups.tsv"]
    return sorted(path for path in named if path.is_file())

"""A plain table, cases.tsv: for each case the paths of its images and of its label map.

The files may lie anywhere; paths are taken from the folder of the table. A dataset.json beside it
says what the label values mean, as nnU-Net writes it: {"labels": {"background": 0, "tumor": 1}}.
"""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from dicegrad.data import dataset_json
from dicegrad.data.adapter import Adapter, Case, Layout, Scan, existing_root
from dicegrad.data.annotated import ALL, parse_classes
from dicegrad.data.volumes import read_volume
from dicegrad.errors import InputError, nearest
from dicegrad.files import Columns, read_rows

TABLE = "cases.tsv"
HOLDS = (
    "cases.tsv, a table with the columns case, image (or one image_<channel> for each channel) and "
    "label, and dataset.json, which names the labels"
)
ONE_GROUP = "all"
_IMAGE, _OF_CHANNEL = "image", "image_"
_KNOWN = ("case", "subject", "group", _IMAGE, "label", "annotated")
_COLUMNS = Columns(text=_KNOWN, optional=("subject", "group", _IMAGE, "annotated"), rest="text")


def table_adapter(root: Path) -> Adapter:
    """Build the adapter of a folder with a table of its cases.

    Args:
        root: The folder. Columns of ``cases.tsv``: case; subject (by default the case); group (by
            default the one group ``all``); image, or image_<channel> for each channel, in order;
            label; annotated (classes separated by commas, ``all`` or ``none``; by default all).

    Raises:
        InputError: The table or dataset.json is missing or cannot be used.
    """
    root = existing_root(root, HOLDS)
    rows = _read(root / TABLE)
    images = _image_columns(rows, root / TABLE)
    values, ignore = _labels(root, rows)
    return Adapter(
        name="table",
        channels=tuple(name.removeprefix(_OF_CHANNEL) for name in images),
        groups=tuple(sorted({row.get("group", ONE_GROUP) for row in rows})),
        class_values=values,
        scan=partial(_scan, classes=tuple(values)),
        files=_files,
        ignore=ignore,
    )


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise InputError(f"{path}: missing; it names the images and the label map of each case")
    rows = read_rows(path, _COLUMNS)
    if not rows:
        raise InputError(f"{path}: no case in it; write a line for each")
    for row in rows:
        if empty := [name for name, cell in row.items() if not cell]:
            raise InputError(f"{path}: case {row['case']!r} has no {empty[0]}; fill it")
    return rows


def _image_columns(rows: list[dict[str, str]], path: Path) -> list[str]:
    """The columns of images, in the order of the table; the others have to be known."""
    names = list(rows[0])
    of_channel = [n for n in names if n.startswith(_OF_CHANNEL) and n != _OF_CHANNEL]
    for name in names:
        if name not in (*_KNOWN, *of_channel):
            raise InputError(
                f"{path}: unknown column {name!r}; it may have {', '.join(_KNOWN)} and "
                f"image_<channel>{nearest(name, _KNOWN)}"
            )
    images = [n for n in names if n == _IMAGE or n in of_channel]
    if not images or (_IMAGE in images and len(images) > 1):
        have = f"has {' and '.join(images)}" if images else "has no image"
        raise InputError(f"{path}: {have}; write one column image, or image_<channel> for each")
    return images


def _labels(
    root: Path, rows: list[dict[str, str]]
) -> tuple[Mapping[str, tuple[int, ...]], int | None]:
    """The label values of each class, and that of ignored voxels."""
    path = root / dataset_json.NAME
    if path.is_file():
        about = dataset_json.read_dataset_json(path)
        return dataset_json.class_values(about, path), dataset_json.ignore_value(about, path)
    label = root / rows[0]["label"]
    found = [f"{value:g}" for value in np.unique(read_volume(label).voxels)]
    names = "".join(f', "name of {value}": {value}' for value in found if value != "0")
    raise InputError(
        f"{path}: missing; it says what the label values mean. {label} has {', '.join(found)}: "
        f'write {{"labels": {{"background": 0{names}}}}}'
    )


def _scan(root: Path, classes: tuple[str, ...]) -> Scan:
    root, path = Path(root), Path(root) / TABLE
    rows, cases = _read(path), []
    images = _image_columns(rows, path)
    for row in rows:
        name = row["case"]
        marked = parse_classes(row.get("annotated", ALL), classes, f"{path}: case {name!r}")
        files = tuple(root / row[column] for column in images)
        subject, group = row.get("subject", name), row.get("group", ONE_GROUP)
        cases.append(Case(name, subject, group, files, root / row["label"], marked))
    return Scan(tuple(cases))


def _files(root: Path) -> list[Path]:
    root = Path(root)
    rows = _read(root / TABLE)
    columns = ["label", *_image_columns(rows, root / TABLE)]
    named = {root / row[column] for row in rows for column in columns}
    named |= {root / TABLE, root / dataset_json.NAME}
    return sorted(path for path in named if path.is_file())


LAYOUT = Layout(table_adapter, lambda root: os.path.lexists(root / TABLE), HOLDS)

"""A folder with a dataset.json: nnU-Net 2 and 1, and the Medical Segmentation Decathlon.

nnU-Net writes one file a channel, imagesTr/<case>_0000.nii.gz, the Decathlon one file a case,
imagesTr/<case>.nii.gz, which is 4-D where there are several channels; both write
labelsTr/<case>.nii.gz. In nnU-Net 2 the ending may be another one, and dataset.json may name the
files of each case.
"""

import glob
import os
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dicegrad.data import dataset_json
from dicegrad.data.adapter import Adapter, Case, Layout, Scan, existing_root
from dicegrad.data.beside import find_beside
from dicegrad.errors import InputError
from dicegrad.files import Columns, read_rows

HOLDS = (
    "dataset.json, imagesTr/<case>_0000.nii.gz (or <case>.nii.gz, as in the Medical Segmentation "
    "Decathlon) and labelsTr/<case>.nii.gz"
)
GROUPS = "groups.tsv"
ONE_GROUP = "all"
_NUMBERED = re.compile(r"_[0-9]{4}$")
# What holds a volume by itself; .raw and .img belong to a header.
_VOLUMES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr", ".tif", ".tiff", ".png")
_GROUPS = Columns(text=("case", "subject", "group"), rest="text")


@dataclass(frozen=True)
class _Folder:
    """What a folder says of its cases.

    Attributes:
        ending: Of the names of images and labels.
        count: Number of channels.
        rows: Case -> (subject, group); empty for a single group.
        listed: Case -> its images and label, where dataset.json names them.
        said: How many cases dataset.json says that there are; None where it does not say.
        training: Names of the labels that the Decathlon's list has; empty where there is none.
    """

    ending: str
    count: int
    rows: Mapping[str, tuple[str, str]]
    listed: Mapping[str, tuple[tuple[str, ...], str]]
    said: int | None
    training: Set[str]


def nnunet_adapter(root: Path) -> Adapter:
    """Build the adapter of one folder from its dataset.json and groups.tsv.

    Args:
        root: The folder that holds dataset.json. A table ``groups.tsv`` beside it (columns case,
            subject, group) names the groups; without it each case is its own subject in the one
            group ``all``.

    Raises:
        InputError: The folder or dataset.json is missing or cannot be used.
    """
    root = existing_root(root, HOLDS)
    where = root / dataset_json.NAME
    about = dataset_json.read_dataset_json(where)
    return make_adapter(about, read_groups(find_beside(root, GROUPS)), where)


def make_adapter(
    about: Mapping[str, Any], rows: dict[str, tuple[str, str]], where: Path
) -> Adapter:
    """Build the adapter from what dataset.json and groups.tsv hold.

    Args:
        about: Content of dataset.json.
        rows: Case -> (subject, group); empty for a single group.
        where: dataset.json, for messages.

    Raises:
        InputError: dataset.json cannot be used.
    """
    channels = dataset_json.channels(about, where)
    ending = dataset_json.file_ending(about, where)
    listed = _listed(about, len(channels), where)
    said = dataset_json.training_cases(about, where)
    training = dataset_json.training_list(about)
    folder = _Folder(ending, len(channels), rows, listed, said, training)
    return Adapter(
        name="nnunet",
        channels=channels,
        groups=tuple(sorted({group for _, group in rows.values()})) or (ONE_GROUP,),
        class_values=dataset_json.class_values(about, where),
        scan=partial(_scan, folder=folder),
        files=partial(_files, folder=folder),
        ignore=dataset_json.ignore_value(about, where),
        test=partial(_scan_test, folder=folder),
    )


def _listed(
    about: Mapping[str, Any], count: int, where: Path
) -> dict[str, tuple[tuple[str, ...], str]]:
    """The files of each case, where dataset.json has the entry `dataset` of nnU-Net 2."""
    entries = about.get("dataset", {})
    if not isinstance(entries, dict):
        raise InputError(f"{where}: dataset is {entries!r}; leave it out, or name cases there")
    found = {}
    for case, entry in entries.items():
        given = entry if isinstance(entry, dict) else {}
        images, label = given.get("images"), given.get("label")
        if not images or not isinstance(images, list) or not isinstance(label, str):
            raise InputError(
                f"{where}: dataset, case {case!r}, is {entry!r}; write it as "
                '{"images": ["imagesTr/a.nii.gz"], "label": "labelsTr/a.nii.gz"}'
            )
        files = images * count if len(images) == 1 else images
        found[case] = tuple(map(str, files)), label
    return found


def read_groups(path: Path | None) -> dict[str, tuple[str, str]]:
    """Case -> (subject, group), of the table groups.tsv; empty where there is none.

    Raises:
        InputError: It cannot be read, has an empty field, or a case twice.
    """
    if path is None:
        return {}
    rows: dict[str, tuple[str, str]] = {}
    for row in read_rows(path, _GROUPS):
        if not (row["case"] and row["subject"] and row["group"]):
            raise InputError(f"{path}: case {row['case']!r} has an empty field; fill it")
        if row["case"] in rows:
            raise InputError(f"{path}: case {row['case']} comes twice; keep one line of it")
        rows[row["case"]] = (row["subject"], row["group"])
    return rows


def _stems(folder: Path, ending: str) -> set[str]:
    """Names without the ending; files like ``._x.nii.gz``, which macOS leaves, are none."""
    names = (path.name.removesuffix(ending) for path in folder.glob(f"*{ending}"))
    return {name for name in names if not name.startswith(".")}


def case_names(root: Path, ending: str, part: str = "Tr") -> set[str]:
    """Names of the cases with an image or a label, from those of the files.

    Args:
        root: The folder that holds ``imagesTr``.
        ending: Of the files.
        part: Tr, or Ts for a test set.
    """
    images, labels = (_stems(root / f"{kind}{part}", ending) for kind in ("images", "labels"))
    # A name with a label of its own needs no channel number, whatever it ends in.
    return labels | {s if s in labels else _NUMBERED.sub("", s) for s in images}


def _found(
    root: Path, folder: _Folder, part: str = "Tr"
) -> dict[str, tuple[tuple[Path, ...], Path]]:
    """Case -> its images, one a channel, and its label; `part` is Tr, or Ts for a test set."""
    if folder.listed and part == "Tr":
        return {
            case: (tuple(root / image for image in images), root / label)
            for case, (images, label) in sorted(folder.listed.items())
        }
    return {
        case: (
            _images(root / f"images{part}", case, folder),
            root / f"labels{part}" / f"{case}{folder.ending}",
        )
        for case in sorted(case_names(root, folder.ending, part))
    }


def _images(images: Path, case: str, folder: _Folder) -> tuple[Path, ...]:
    """The file of each channel; one file without a number holds all of them."""
    numbered = [images / f"{case}_{i:04d}{folder.ending}" for i in range(folder.count)]
    plain = images / f"{case}{folder.ending}"
    if os.path.lexists(plain) and not numbered[0].is_file():
        return (plain,) * folder.count
    return tuple(numbered)


def _file_problems(root: Path, case: str, folder: _Folder) -> Iterator[str]:
    """Lines on files of a case that nobody would read."""
    images, ending = root / "imagesTr", folder.ending
    plain = images / f"{case}{ending}"
    numbered = [
        path
        for path in sorted(images.glob(f"{glob.escape(case)}_[0-9][0-9][0-9][0-9]{ending}"))
        if not (root / "labelsTr" / path.name).is_file()
    ]
    if plain.is_file() and numbered:
        yield (
            f"{plain}: is the image of case {case}, and so is {numbered[0].name}; remove one of "
            "them"
        )
    for path in numbered:
        number = int(path.name.removesuffix(ending)[-4:])
        if number >= folder.count:
            yield (
                f"{path}: is channel {number}, but dataset.json names {folder.count} channels from "
                "0; name it there, or remove the file"
            )


def _unread(root: Path, folder: _Folder) -> Iterator[str]:
    """Lines on volumes with another ending, which would be no cases without a word."""
    for name in ("imagesTr", "labelsTr"):
        if not (root / name).is_dir():
            continue
        for path in sorted((root / name).iterdir()):
            if path.name.startswith("."):
                continue
            if path.is_dir() and (inner := _volumes(path)):
                yield (
                    f"{path}: holds {len(inner)} volumes that are not read, such as "
                    f"{inner[0].relative_to(path)}; move them to {root / name}, or elsewhere"
                )
            if path.name.lower().endswith(_VOLUMES) and not path.name.endswith(folder.ending):
                yield (
                    f"{path}: is not read, since dataset.json says that files end in "
                    f"{folder.ending}; write it so, or move it elsewhere"
                )


def _volumes(folder: Path) -> list[Path]:
    """The volumes in a folder and in those within it; what is hidden is none."""
    return sorted(
        Path(where, name)
        for where, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(_VOLUMES) and not name.startswith(".")
    )


def _scan(root: Path, folder: _Folder) -> Scan:
    root = existing_root(root, HOLDS)
    found, rows = _found(root, folder), folder.rows
    if not found:
        raise InputError(
            f"root {root}: no case in it whose files end in {folder.ending}; it should hold {HOLDS}"
        )
    cases: list[Case] = []
    problems = [] if folder.listed else list(_unread(root, folder))
    labels = {label.name for _, label in found.values()}
    problems += dataset_json.count_problems(
        labels, folder.said, folder.training, root / dataset_json.NAME
    )
    for name, (images, label) in found.items():
        if not folder.listed:
            problems += _file_problems(root, name, folder)
        if rows and name not in rows:
            problems.append(f"{root / GROUPS}: no line for case {name}; add one")
            continue
        subject, group = rows.get(name, (name, ONE_GROUP))
        cases.append(Case(name, subject, group, images, label))
    problems += [
        f"{root / GROUPS}: case {name} has no file in imagesTr or labelsTr; drop the line"
        for name in sorted(set(rows) - set(found) - set(_found(root, folder, "Ts")))
    ]
    return Scan(tuple(cases), tuple(problems))


def _scan_test(root: Path, folder: _Folder) -> Scan:
    """The cases of imagesTs; those whose label is not in labelsTs name a file that is not there."""
    cases: list[Case] = []
    problems: list[str] = []
    for name, (images, label) in _found(root, folder, "Ts").items():
        if folder.rows and name not in folder.rows:
            problems.append(f"{root / GROUPS}: no line for test case {name}; add one")
        subject, group = folder.rows.get(name, (name, ONE_GROUP))
        cases.append(Case(name, subject, group, images, label))
    return Scan(tuple(cases), tuple(problems))


def _files(root: Path, folder: _Folder) -> list[Path]:
    named = {path for case in _scan(root, folder).cases for path in (*case.images, case.label)}
    named |= {Path(root) / dataset_json.NAME, Path(root) / GROUPS}
    return sorted(path for path in named if path.is_file())


LAYOUT = Layout(nnunet_adapter, lambda root: os.path.lexists(root / dataset_json.NAME), HOLDS)

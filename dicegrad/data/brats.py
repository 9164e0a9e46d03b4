"""BRATS as given out from 2018 to 2023: a folder a subject, with four images and a label map.

2018, 2019: {HGG,LGG}/<case>/<case>_{flair,t1,t1ce,t2,seg}.nii.gz. 2020: the same without the
folders of grades, which stand in name_mapping.csv. 2021: the same, and no grades. 2023:
<case>/<case>-{t2f,t1n,t1c,t2w,seg}.nii.gz, where the enhancing tumor is 3 instead of 4, and
BraTS-GLI-00000-001 is the second visit of subject BraTS-GLI-00000.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from dicegrad.data.adapter import Adapter, Case, Layout, Scan, existing_root, nifti
from dicegrad.errors import InputError
from dicegrad.files import read_text

GRADES = ("HGG", "LGG")
CHANNELS = ("flair", "t1", "t1ce", "t2")
ARCHIVE_FOLDER = "MICCAI_BraTS_2018_Data_Training"
HOLDS = (
    "HGG/ and LGG/ with one folder per subject, or the folders of the subjects, each with its "
    "flair, t1, t1ce, t2 and seg file (t2f, t1n, t1c, t2w and seg in 2023)"
)
NO_GRADE = "all"
_OF_2023 = ("t2f", "t1n", "t1c", "t2w")
_CASE_2023 = re.compile(r"(BraTS-([A-Za-z]+)-[0-9]+)-[0-9]+$")
_CASE = re.compile(r"(brats|cbica|tcga|tcia|2013)[A-Za-z0-9]*[_-]", re.IGNORECASE)
_MAPPING = "name_mapping*.csv"

# Case -> its folder and group.
_Folders = list[tuple[str, Path]]


def brats_adapter(root: Path) -> Adapter:
    """The adapter of a BRATS folder; that of 2018 where there is no folder yet.

    Args:
        root: The folder that holds HGG and LGG, or the folders of the subjects, or that of the
            archive.
    """
    root = Path(root)
    if not root.is_dir() or not (folders := _subjects(root)):
        return BRATS
    groups = tuple(dict.fromkeys(group for group, _ in folders))
    of_2023 = any(_CASE_2023.match(folder.name) for _, folder in folders)
    if set(groups) <= set(GRADES) and not of_2023:
        return BRATS
    # 1 necrotic core, 2 edema and infiltration, 3 enhancing tumor.
    values = (1, 2, 3) if of_2023 else BRATS.class_values["tumor"]
    return Adapter("brats", CHANNELS, groups, {"tumor": values}, scan, files)


def subject_folders(root: Path) -> _Folders:
    """Return (group, subject folder), HGG before LGG, each sorted by name.

    Raises:
        InputError: The root does not exist or holds no subject.
    """
    root = existing_root(root, HOLDS)
    if folders := _subjects(root):
        return folders
    raise InputError(f"root {root}: no case in it; it should hold {HOLDS}")


def _subjects(root: Path) -> _Folders:
    """The subjects in a root, or in the folder of an archive within it."""
    for parent in (root, root / ARCHIVE_FOLDER, *_visible(root)):
        if folders := [(grade, f) for grade in GRADES for f in _visible(parent / grade)]:
            return folders
        if plain := [folder for folder in _visible(parent) if _is_subject(folder)]:
            grades = _grades(parent)
            return [(grades.get(f.name, _kind(f.name)), f) for f in plain]
    return []


def _visible(folder: Path) -> list[Path]:
    """The folders in a folder, by name."""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in inside if path.is_dir() and not path.name.startswith(".")]


def _is_subject(folder: Path) -> bool:
    """Whether a folder is named as a subject is, and one of its images as well."""
    name = folder.name
    if not (_CASE_2023.match(name) or _CASE.match(name)):
        return False
    wanted = (f"{name}{part}" for part in ("_seg", "_flair", "-seg", "-t2f"))
    return any(nifti(folder / stem).is_file() for stem in wanted)


def _kind(name: str) -> str:
    """The group of a subject whose grade is not known; in 2023 the kind of tumor."""
    found = _CASE_2023.match(name)
    return found[2].upper() if found else NO_GRADE


def _grades(parent: Path) -> dict[str, str]:
    """Subject -> grade, from the table of 2020; empty where there is none."""
    grades: dict[str, str] = {}
    for table in sorted(parent.glob(_MAPPING)):
        for row in csv.DictReader(read_text(table).splitlines()):
            grade = row.get("Grade")
            grades |= {cell: grade for cell in row.values() if grade in GRADES and cell}
    return grades


def scan(root: Path) -> Scan:
    """Find one case per folder, which has its name.

    Raises:
        InputError: The root does not exist or holds no subject.
    """
    return Scan(tuple(_cases(root)))


def _cases(root: Path) -> Iterator[Case]:
    for group, folder in subject_folders(root):
        name, visit = folder.name, _CASE_2023.match(folder.name)
        subject = visit[1] if visit else name
        if visit and nifti(folder / f"{name}-t2f").exists():
            stems, seg = [f"{name}-{channel}" for channel in _OF_2023], f"{name}-seg"
        else:
            stems, seg = [f"{name}_{channel}" for channel in CHANNELS], f"{name}_seg"
        images = tuple(nifti(folder / stem) for stem in stems)
        yield Case(name, subject, group, images, _label(folder, seg))


def _label(folder: Path, stem: str) -> Path:
    """The label map; one subject of 2020 was given out with a label map of another name."""
    named = nifti(folder / stem)
    others = sorted(folder.glob("*_[Ss]egm.nii*"))
    return others[0] if not named.exists() and len(others) == 1 else named


def files(root: Path) -> list[Path]:
    """List the five files of each subject, as far as they exist.

    Raises:
        InputError: The root does not exist or holds no subject.
    """
    named = (path for case in scan(root).cases for path in (*case.images, case.label))
    return sorted(path for path in named if path.is_file())


BRATS = Adapter(
    name="brats",
    channels=CHANNELS,
    groups=GRADES,
    # 1 necrosis and non-enhancing tumor, 2 edema, 4 enhancing tumor: together the whole tumor.
    class_values={"tumor": (1, 2, 4)},
    scan=scan,
    files=files,
)


LAYOUT = Layout(brats_adapter, lambda root: bool(_subjects(root)), HOLDS)

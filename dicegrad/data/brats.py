"""BRATS 2018: {HGG,LGG}/<case>/<case>_{flair,t1,t1ce,t2,seg}.nii.gz."""

from pathlib import Path

from dicegrad.data.adapter import Adapter, Case, Scan, existing_root, nifti
from dicegrad.errors import InputError

GRADES = ("HGG", "LGG")
CHANNELS = ("flair", "t1", "t1ce", "t2")
ARCHIVE_FOLDER = "MICCAI_BraTS_2018_Data_Training"
HOLDS = "HGG/ and LGG/ with one folder per subject, each with its flair, t1, t1ce, t2 and seg file"


def subject_folders(root: Path) -> list[tuple[str, Path]]:
    """Return (grade, subject folder), HGG before LGG, each sorted by name.

    Raises:
        InputError: The root does not exist or holds no subject.
    """
    root = existing_root(root, HOLDS)
    for parent in (root, root / ARCHIVE_FOLDER):
        folders = [
            (grade, folder)
            for grade in GRADES
            for folder in sorted((parent / grade).glob("*"))
            if folder.is_dir() and not folder.name.startswith(".")
        ]
        if folders:
            return folders
    raise InputError(f"root {root}: no case in it; it should hold {HOLDS}")


def scan(root: Path) -> Scan:
    """Find one case per subject; the case, the subject and the folder have one name.

    Raises:
        InputError: The root does not exist or holds no subject.
    """
    cases = []
    for grade, folder in subject_folders(root):
        name = folder.name
        images = tuple(nifti(folder / f"{name}_{channel}") for channel in CHANNELS)
        cases.append(Case(name, name, grade, images, nifti(folder / f"{name}_seg")))
    return Scan(tuple(cases))


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

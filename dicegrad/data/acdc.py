"""ACDC: patientXXX/Info.cfg names the ED and the ES frame of each patient.

The archives wrap the patients differently: training/, ACDC/database/training/, or nothing.
"""

import re
from pathlib import Path

from dicegrad.data.adapter import Adapter, Case, Layout, Scan, existing_root, nifti
from dicegrad.errors import InputError
from dicegrad.files import read_text

PHASES = ("ED", "ES")
_LARGEST = 1 << 20  # bytes of an Info.cfg
# Where the patients lie below the root, from archive to archive.
_FOLDERS = ("training", "", "database/training", "ACDC/database/training", "ACDC/training")
_PATIENT = re.compile(r"patient[0-9]+")
HOLDS = "training/patientXXX with Info.cfg, patientXXX_frameNN.nii.gz and _gt.nii.gz"


def patient_folders(root: Path) -> list[Path]:
    """Return the patient folders of the training set, or those directly under ``root``, sorted.

    Raises:
        InputError: The root does not exist or holds no patient.
    """
    root = existing_root(root, HOLDS)
    if folders := _patients(root):
        return folders
    raise InputError(f"root {root}: no case in it; it should hold {HOLDS}")


def _patients(root: Path) -> list[Path]:
    for parent in (root / folder for folder in _FOLDERS):
        found = [p for p in parent.glob("patient*") if p.is_dir() and _PATIENT.fullmatch(p.name)]
        if found:
            return sorted(found)
    return []


def read_frames(info: Path) -> dict[str, int]:
    """Read the frame number of each phase from an Info.cfg.

    Args:
        info: The patient's Info.cfg, lines of ``key: value``.

    Returns:
        ``{"ED": n, "ES": m}``, numbers as in the file names (from 1).

    Raises:
        InputError: The file is missing, or lacks a whole positive number for ED or ES, or gives
            both phases the same frame.
    """
    if not info.exists():
        raise InputError(f"{info}: missing; it must name the frames, `ED: 1` and `ES: 12`")
    text = read_text(info, lossy=True, most=_LARGEST)
    frames = {}
    for phase in PHASES:
        found = re.search(rf"^\s*{phase}\s*[:=]\s*(.*?)\s*$", text, re.MULTILINE)
        given = found.group(1) if found else None
        if given is None or not re.fullmatch(r"[0-9]+", given) or int(given) < 1:
            came = f"no line `{phase}: <frame>`" if given is None else f"`{phase}: {given}`"
            raise InputError(f"{info}: {came}; write the frame's number, such as `{phase}: 1`")
        frames[phase] = int(given)
    if frames["ED"] == frames["ES"]:
        raise InputError(
            f"{info}: ED and ES are the same frame {frames['ED']}; each phase needs its own"
        )
    return frames


def scan(root: Path) -> Scan:
    """Find two cases per patient, ED before ES.

    Raises:
        InputError: The root does not exist or holds no patient.
    """
    cases: list[Case] = []
    problems: list[str] = []
    for folder in patient_folders(root):
        try:
            frames = read_frames(folder / "Info.cfg")
        except InputError as error:
            problems += error.args
            continue
        for phase in PHASES:
            stem = folder / f"{folder.name}_frame{frames[phase]:02d}"
            image, label = nifti(stem), nifti(stem.with_name(stem.name + "_gt"))
            cases.append(Case(f"{folder.name}_{phase}", folder.name, phase, (image,), label))
    return Scan(tuple(cases), tuple(problems))


def files(root: Path) -> list[Path]:
    """List Info.cfg, the two frames and their labels of each patient, as far as they exist.

    Where Info.cfg names no frames (an empty file is enough for planning), every frame counts.

    Raises:
        InputError: The root does not exist or holds no patient.
    """
    found: list[Path] = []
    for folder in patient_folders(root):
        info = folder / "Info.cfg"
        try:
            numbers = [f"{number:02d}" for number in read_frames(info).values()]
        except InputError:
            numbers = ["*"]
        found += [info] * info.is_file()
        for number in numbers:
            found += sorted(folder.glob(f"{folder.name}_frame{number}.nii*"))
            found += sorted(folder.glob(f"{folder.name}_frame{number}_gt.nii*"))
    return sorted(set(found))


ACDC = Adapter(
    name="acdc",
    channels=("cine",),
    groups=PHASES,
    class_values={"LV": (3,), "MYO": (2,), "RV": (1,)},
    scan=scan,
    files=files,
)


LAYOUT = Layout(lambda root: ACDC, lambda root: bool(_patients(root)), HOLDS)

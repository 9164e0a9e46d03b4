"""Seeded phantoms in the layouts of BRATS 2018, ACDC and nnU-Net, read by the real adapters.

`tumor` stands in for BRATS (groups HGG and LGG), `heart` for ACDC (groups ED and ES). `mixed` is
the tumor in nnU-Net layout, with healthy brains besides: its class is truly empty in some cases.
A subject's content depends on the seed and on its own number, never on how many are written.
"""

import json
from pathlib import Path

import numpy as np

from dicegrad.data.adapter import Adapter
from dicegrad.data.brats import CHANNELS
from dicegrad.data.nnunet import make_adapter
from dicegrad.data.phantom_heart import Patient, draw_heart
from dicegrad.data.phantom_tissue import Volumes
from dicegrad.data.phantom_tumor import HEALTHY, draw_tumor, tumor_group
from dicegrad.data.volumes import Header, write_volume
from dicegrad.errors import InputError
from dicegrad.files import write_table
from dicegrad.whole import whole_file

KINDS = ("tumor", "heart", "mixed")
# Of `mixed`, in turn: the groups of its subjects.
MIXED = ("HGG", "LGG", HEALTHY)
MIXED_JSON = {
    "channel_names": {str(number): channel for number, channel in enumerate(CHANNELS)},
    "labels": {"background": 0, "tumor": 1},
    "file_ending": ".nii.gz",
}


def write_phantom(
    kind: str,
    root: Path,
    subjects: int,
    seed: int,
    shape: tuple[int, int, int] = (48, 48, 24),
) -> list[Path]:
    """Write a phantom dataset.

    Args:
        kind: ``tumor`` (BRATS 2018 layout, one case per subject, every third LGG), ``heart`` (ACDC
            layout, two cases per subject) or ``mixed`` (nnU-Net layout; HGG, LGG and healthy in
            turn).
        root: Folder that becomes the dataset's root.
        subjects: How many, from 1 to 999.
        seed: 0 or more; the same seed writes the same voxels.
        shape: Voxels of the tumor phantom, 1 mm each; (240, 240, 155) is BRATS's own grid.

    Returns:
        The files written, in the order of `phantom_files`.

    Raises:
        InputError: An unknown kind, or a number out of range.
    """
    if seed < 0:
        raise InputError(f"phantom: seed is {seed}; give a whole number from 0 up")
    files = phantom_files(kind, root, subjects)
    for index in range(subjects):
        rng = _subject_rng(kind, seed, index)
        if kind == "tumor":
            _save_tumor(Path(root), index, draw_tumor(rng, tumor_group(index), shape))
        elif kind == "heart":
            _save_heart(Path(root), index, draw_heart(rng))
        else:
            _save_mixed(Path(root), index, draw_tumor(rng, MIXED[index % 3], shape))
    if kind == "mixed":
        _describe_mixed(Path(root), subjects)
    return files


def phantom_files(kind: str, root: Path, subjects: int) -> list[Path]:
    """List the files that `write_phantom` writes, in its order, without writing them.

    Args:
        kind: ``tumor``, ``heart`` or ``mixed``.
        root: The dataset's root.
        subjects: How many, from 1 to 999.

    Raises:
        InputError: An unknown kind, or a number out of range.
    """
    if kind not in KINDS:
        raise InputError(f"phantom: kind is {kind!r}; use one of {', '.join(KINDS)}")
    if not 1 <= subjects <= 999:
        raise InputError(f"phantom: subjects is {subjects}; give a number from 1 to 999")
    per_subject = {"tumor": _tumor_files, "heart": _heart_files, "mixed": _mixed_files}[kind]
    return [path for i in range(subjects) for path in per_subject(Path(root), i).values()]


def _subject_rng(kind: str, seed: int, index: int) -> np.random.Generator:
    """Return the subject's own source of randomness."""
    return np.random.default_rng([seed, KINDS.index(kind), index])


def _tumor_files(root: Path, index: int) -> dict[str, Path]:
    """Return the files of one BRATS subject by channel, and ``seg``."""
    name = f"Brats18_PHANTOM_{index + 1:04d}_1"
    folder = root / tumor_group(index) / name
    return {part: folder / f"{name}_{part}.nii.gz" for part in (*CHANNELS, "seg")}


def _heart_frames(index: int) -> dict[str, int]:
    """Return the frame number of each phase; it differs between patients, as in ACDC."""
    return {"ED": 1, "ES": 8 + index % 5}


def _heart_files(root: Path, index: int) -> dict[str, Path]:
    """Return the files of one ACDC patient: ``info``, and ``ED``, ``ED_gt``, ``ES``, ``ES_gt``."""
    name = f"patient{index + 1:03d}"
    folder = root / "training" / name
    files = {"info": folder / "Info.cfg"}
    for phase, frame in _heart_frames(index).items():
        files[phase] = folder / f"{name}_frame{frame:02d}.nii.gz"
        files[f"{phase}_gt"] = folder / f"{name}_frame{frame:02d}_gt.nii.gz"
    return files


def _save_tumor(root: Path, index: int, volumes: Volumes) -> None:
    for part, path in _tumor_files(root, index).items():
        array = volumes.label if part == "seg" else volumes.images[part]
        _save(path, array, volumes.affine)


def _save_heart(root: Path, index: int, patient: Patient) -> None:
    files = _heart_files(root, index)
    for phase, volumes in patient.phases.items():
        _save(files[phase], volumes.images["cine"], volumes.affine)
        _save(files[f"{phase}_gt"], volumes.label, volumes.affine)
    lines = {**_heart_frames(index), **patient.info}
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    files["info"].write_text(text, encoding="utf-8")


def _mixed_files(root: Path, index: int) -> dict[str, Path]:
    """Return the files of one subject in nnU-Net layout: a channel each, and ``seg``."""
    name = f"brain_{index + 1:03d}"
    files = {
        channel: root / "imagesTr" / f"{name}_{number:04d}.nii.gz"
        for number, channel in enumerate(CHANNELS)
    }
    return {**files, "seg": root / "labelsTr" / f"{name}.nii.gz"}


def _save_mixed(root: Path, index: int, volumes: Volumes) -> None:
    for part, path in _mixed_files(root, index).items():
        whole = (volumes.label > 0).astype(np.uint8)
        _save(path, whole if part == "seg" else volumes.images[part], volumes.affine)


def _mixed_names(subjects: int) -> list[str]:
    files = (_mixed_files(Path(), index)["seg"] for index in range(subjects))
    return [path.name.removesuffix(".nii.gz") for path in files]


def mixed_adapter(subjects: int) -> Adapter:
    """The adapter of a phantom `mixed` that is still to be written."""
    names = _mixed_names(subjects)
    rows = {name: (name, MIXED[index % 3]) for index, name in enumerate(names)}
    return make_adapter(MIXED_JSON, rows, Path("dataset.json"))


def _describe_mixed(root: Path, subjects: int) -> None:
    """Write dataset.json and groups.tsv."""
    with whole_file(root / "dataset.json", lasting=False) as file:
        file.write((json.dumps({**MIXED_JSON, "numTraining": subjects}, indent=1) + "\n").encode())
    names = _mixed_names(subjects)
    rows = [{"case": n, "subject": n, "group": MIXED[i % 3]} for i, n in enumerate(names)]
    write_table(rows, root / "groups.tsv")


def _save(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    write_volume(path, array, Header.of_affine(array.shape, affine))

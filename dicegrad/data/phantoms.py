"""Seeded phantoms in the layouts of BRATS 2018 and ACDC, so that the real adapters read them.

`tumor` stands in for BRATS (groups HGG and LGG), `heart` for ACDC (groups ED and ES). A subject's
content depends on the seed and on its own number, never on how many subjects are written.
"""

from pathlib import Path

import numpy as np

from dicegrad.data.brats import CHANNELS
from dicegrad.data.phantom_heart import Patient, draw_heart
from dicegrad.data.phantom_tissue import Volumes
from dicegrad.data.phantom_tumor import draw_tumor, tumor_group
from dicegrad.data.volumes import Header, write_volume
from dicegrad.errors import InputError

KINDS = ("tumor", "heart")


def write_phantom(
    kind: str,
    root: Path,
    subjects: int,
    seed: int,
    shape: tuple[int, int, int] = (48, 48, 24),
) -> list[Path]:
    """Write a phantom dataset.

    Args:
        kind: ``tumor`` (BRATS 2018 layout, one case per subject, every third LGG) or ``heart``
            (ACDC layout, two cases per subject).
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
        else:
            _save_heart(Path(root), index, draw_heart(rng))
    return files


def phantom_files(kind: str, root: Path, subjects: int) -> list[Path]:
    """List the files that `write_phantom` writes, in its order, without writing them.

    Args:
        kind: ``tumor`` or ``heart``.
        root: The dataset's root.
        subjects: How many, from 1 to 999.

    Raises:
        InputError: An unknown kind, or a number out of range.
    """
    if kind not in KINDS:
        raise InputError(f"phantom: kind is {kind!r}; use one of {', '.join(KINDS)}")
    if not 1 <= subjects <= 999:
        raise InputError(f"phantom: subjects is {subjects}; give a number from 1 to 999")
    per_subject = _tumor_files if kind == "tumor" else _heart_files
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


def _save(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    write_volume(path, array, Header.of_affine(array.shape, affine))

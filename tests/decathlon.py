"""A folder as the Medical Segmentation Decathlon gives it out, of small balls and boxes."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np

CLASSES = ("ball", "box")


def write_decathlon(
    root: Path,
    count: int = 6,
    size: tuple[int, int, int] = (20, 18, 12),
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.5),
    modality: str = "MRI",
    annotated: dict[int, str] | None = None,
    groups: tuple[str, ...] = (),
) -> Path:
    """Write cases `scan_000` and so on, what is annotated, and groups, which cases take in turn.

    A class that a case is not annotated for is in its image and not in its label.
    """
    generator = np.random.default_rng(0)
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    affine = np.diag([*spacing, 1.0])
    names = [f"scan_{number:03d}" for number in range(count)]
    for number, name in enumerate(names):
        label = _draw(size, generator)
        image = 100 * label + generator.normal(0, 10, size) + 50
        drawn = (annotated or {}).get(number, "all")
        for value, each in enumerate(CLASSES, start=1):
            if drawn != "all" and each not in drawn.split(","):
                label[label == value] = 0
        nibabel.save(
            nibabel.Nifti1Image(image.astype(np.int16), affine),
            root / "imagesTr" / f"{name}.nii.gz",
        )
        nibabel.save(nibabel.Nifti1Image(label, affine), root / "labelsTr" / f"{name}.nii.gz")
    about = {
        "modality": {"0": modality},
        "labels": {"0": "background", **{str(k): c for k, c in enumerate(CLASSES, start=1)}},
        "numTraining": count,
    }
    (root / "dataset.json").write_text(json.dumps(about))
    if annotated:
        lines = [f"{names[number]}\t{drawn}" for number, drawn in annotated.items()]
        (root / "annotated.tsv").write_text("\n".join(["case\tannotated", *lines]) + "\n")
    if groups:
        lines = [f"{n}\t{n}\t{groups[i % len(groups)]}" for i, n in enumerate(names)]
        (root / "groups.tsv").write_text("\n".join(["case\tsubject\tgroup", *lines]) + "\n")
    return root


def move_to_test(root: Path, names: Sequence[str], labels: bool = True) -> None:
    """Move cases of the training set to imagesTs and labelsTs; or without their labels."""
    for kind in ("images", "labels")[: 1 + labels]:
        (root / f"{kind}Ts").mkdir(exist_ok=True)
        for name in names:
            shutil.move(root / f"{kind}Tr" / f"{name}.nii.gz", root / f"{kind}Ts")
    if not labels:
        for name in names:
            (root / "labelsTr" / f"{name}.nii.gz").unlink()
    path = root / "dataset.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"numTraining": about["numTraining"] - len(names)}))


def _draw(size: tuple[int, int, int], generator: np.random.Generator) -> np.ndarray:
    """A ball (1) on one side and a box (2) on the other."""
    x, y, z = np.indices(size)
    middle = np.array(size) / 2 + generator.uniform(-1, 1, 3)
    label = np.zeros(size, np.uint8)
    distance = (x - middle[0] + 3) ** 2 + (y - middle[1]) ** 2 + (z - middle[2]) ** 2
    label[distance < 10] = 1
    inside = (abs(x - middle[0] - 4) < 2.5) & (abs(y - middle[1]) < 3) & (abs(z - middle[2]) < 3)
    label[inside] = 2
    return label

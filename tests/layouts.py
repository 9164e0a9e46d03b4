"""Tiny data sets in every layout that is known: two balls, whose labels are 1 and 2."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from dicegrad.files import write_table

SIZE, SPACING = (20, 18, 8), (2.0, 2.0, 4.0)
LABELS = {"background": 0, "large": 1, "small": 2}


def anatomy(number: int) -> tuple[np.ndarray, np.ndarray]:
    """The voxels of an image and of its label map, (X, Y, Z); the balls move with the number."""
    x, y, z = np.indices(SIZE)
    label = np.zeros(SIZE, np.uint8)
    for value, (cx, cy, cz), r in (
        (1, (7 + number % 2, 8, 4), 5),
        (2, (14, 11 - number % 2, 3), 4),
    ):
        label[(x - cx) ** 2 + (y - cy) ** 2 + (2 * (z - cz)) ** 2 < r**2] = value
    noise = np.random.default_rng(number).normal(0, 5, SIZE)
    return (100 + 100 * label + noise).astype(np.int16), label


def nifti(path: Path, voxels: np.ndarray, codes: str = "RAS", kind: type = nib.Nifti1Image) -> None:
    """Write a volume whose axes run to these directions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = kind(voxels, np.diag([*SPACING, 1.0]))
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes)
    )
    nib.save(image.as_reoriented(turn), path)


def itk(path: Path, voxels: np.ndarray) -> None:
    """Write a volume, or a slice, in the format that the name tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(voxels.T)
    image.SetSpacing(SPACING[: voxels.ndim])
    sitk.WriteImage(image, str(path))


def describe(root: Path, **about: object) -> None:
    """Write dataset.json."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(about))


def decathlon(root: Path) -> None:
    """The Medical Segmentation Decathlon: 4-D images of two channels, some of them stored LPS."""
    names = {str(value): name for name, value in LABELS.items()}
    describe(root, modality={"0": "T2", "1": "ADC"}, labels=names, tensorImageSize="4D")
    for number in range(4):
        image, label = anatomy(number)
        codes = "LPS" if number in (1, 2) else "RAS"
        both = np.stack([image, 500 - image], axis=3)
        nifti(root / "imagesTr" / f"ball_{number:03d}.nii.gz", both, codes)
        nifti(root / "labelsTr" / f"ball_{number:03d}.nii.gz", label, codes)
        (root / "imagesTr" / f"._ball_{number:03d}.nii.gz").write_bytes(b"macOS")


def nnunet(root: Path) -> None:
    """nnU-Net 2, in MetaImage, with an ignore label and groups."""
    describe(root, channel_names={"0": "CT"}, labels={**LABELS, "ignore": 3}, file_ending=".mha")
    rows = []
    for number in range(4):
        image, label = anatomy(number)
        label[:, :, 0] = 3
        itk(root / "imagesTr" / f"a_{number}_0000.mha", image)
        itk(root / "labelsTr" / f"a_{number}.mha", label)
        group = "AB"[number % 2]
        rows.append({"case": f"a_{number}", "subject": f"s{number // 2}", "group": group})
    write_table(rows, root / "groups.tsv")


def regions(root: Path) -> None:
    """nnU-Net 2 with classes that overlap."""
    labels = {"background": 0, "both": [1, 2], "small": [2]}
    describe(root, channel_names={"0": "MR"}, labels=labels, regions_class_order=[1, 2])
    for number in range(4):
        image, label = anatomy(number)
        nifti(root / "imagesTr" / f"r_{number}_0000.nii.gz", image)
        nifti(root / "labelsTr" / f"r_{number}.nii.gz", label)


def nnunet_task(root: Path) -> None:
    """A task of nnU-Net 1, in NIfTI-2."""
    names = {str(value): name for name, value in LABELS.items()}
    describe(root, modality={"0": "MR"}, labels=names, tensorImageSize="4D", numTraining=4)
    for number in range(4):
        image, label = anatomy(number)
        nifti(root / "imagesTr" / f"b_{number}_0000.nii.gz", image, kind=nib.Nifti2Image)
        nifti(root / "labelsTr" / f"b_{number}.nii.gz", label, kind=nib.Nifti2Image)


def pictures(root: Path) -> None:
    """nnU-Net 2 of two-dimensional PNG files."""
    describe(root, channel_names={"0": "grey"}, labels=LABELS, file_ending=".png")
    for number in range(4):
        image, label = anatomy(number)
        grey = np.clip(image[:, :, 3] // 2, 0, 255).astype(np.uint8)
        itk(root / "imagesTr" / f"c_{number}_0000.png", grey)
        itk(root / "labelsTr" / f"c_{number}.png", label[:, :, 3])


def table(root: Path) -> None:
    """A plain table of NRRD files elsewhere; what was annotated differs from case to case."""
    describe(root, labels=LABELS)
    rows = []
    for number in range(4):
        image, label = anatomy(number)
        files = [f"../scans/{number}_{part}.nrrd" for part in ("image", "label")]
        itk(root / files[0], image)
        itk(root / files[1], np.where(label == 2, 0, label) if number == 3 else label)
        row = {"case": f"d{number}", "image": files[0], "label": files[1]}
        rows.append({**row, "annotated": "large" if number == 3 else "all"})
    write_table(rows, root / "cases.tsv")


def acdc(root: Path) -> None:
    """ACDC as its later archive wraps it."""
    for number in range(3):
        name = f"patient{number + 1:03d}"
        folder = root / "ACDC" / "database" / "training" / name
        for frame in (1, 9):
            image, label = anatomy(number + frame)
            nifti(folder / f"{name}_frame{frame:02d}.nii.gz", image)
            nifti(folder / f"{name}_frame{frame:02d}_gt.nii.gz", label + (label == 2))
        (folder / "Info.cfg").write_text("ED: 1\nES: 9\nGroup: DCM\n")


def brats(root: Path, folder: str, parts: tuple[str, ...], joint: str, enhancing: int) -> None:
    """BRATS of some year."""
    for number in range(4):
        image, label = anatomy(number)
        name = folder.format(number)
        label[label == 2] = enhancing
        for part in parts[:-1]:
            nifti(root / name / f"{name}{joint}{part}.nii.gz", image)
        nifti(root / name / f"{name}{joint}{parts[-1]}.nii.gz", label)


def brats_2021(root: Path) -> None:
    """BRATS 2020 and 2021."""
    brats(root, "BraTS2021_{:05d}", ("flair", "t1", "t1ce", "t2", "seg"), "_", 4)


def brats_2023(root: Path) -> None:
    """BRATS 2023."""
    brats(root, "BraTS-GLI-{:05d}-000", ("t2f", "t1n", "t1c", "t2w", "seg"), "-", 3)


# Name -> what writes it, the layout that it is found to have, and its classes.
LAYOUTS: dict[str, tuple[Callable[[Path], None], str, tuple[str, ...]]] = {
    "decathlon": (decathlon, "nnunet", ("large", "small")),
    "nnunet": (nnunet, "nnunet", ("large", "small")),
    "nnunet-task": (nnunet_task, "nnunet", ("large", "small")),
    "regions": (regions, "nnunet", ("both", "small")),
    "pictures": (pictures, "nnunet", ("large", "small")),
    "table": (table, "table", ("large", "small")),
    "acdc": (acdc, "acdc", ("LV", "RV")),
    "brats-2021": (brats_2021, "brats", ("tumor",)),
    "brats-2023": (brats_2023, "brats", ("tumor",)),
}


def write_layouts(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write each of them below a folder; yields names and roots."""
    for name, (write, _, _) in LAYOUTS.items():
        write(folder / name)
        yield name, folder / name

"""A dataset in nnU-Net's raw layout, whatever its own layout is.

nnU-Net needs voxels and their spacing, not where they lie: files are written without an orientation
so that readers that are strict about affines take them. Axes are turned as `orientation` says, and
predictions are laid back on the original grid by our own code.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dicegrad.data.adapter import Adapter, Case
from dicegrad.data.cases import check_originals
from dicegrad.data.checks import check_geometry
from dicegrad.data.geometry import Grid
from dicegrad.data.orientation import turn_of
from dicegrad.data.volumes import Header, read_channels, read_volume, write_volume
from dicegrad.errors import InputError
from dicegrad.logs import Report
from dicegrad.preprocessing.align import onto
from dicegrad.preprocessing.encoding import encode_label
from dicegrad.preprocessing.labeling import IGNORE, apply_labeling, slice_steps
from dicegrad.study.labeling import Labeling

ENDING = ".nii.gz"


def image_files(raw: Path, case: str, channels: int) -> list[Path]:
    """The images of a case, one a channel."""
    return [raw / "imagesTr" / f"{case}_{number:04d}{ENDING}" for number in range(channels)]


def write_raw(
    cases: Sequence[Case],
    adapter: Adapter,
    classes: Sequence[str],
    folder: Path,
    report: Report,
    align: bool = False,
    orientation: str = "as-is",
) -> None:
    """Write images and full labels: k for the k-th class, one more for ignored voxels.

    Args:
        cases: Of the case table.
        adapter: Channels and label values of the data.
        classes: Foreground classes, in network order.
        folder: nnUNet_raw/DatasetXXX_Name.
        report: Takes a line for each case.
        align: Whether a label map on another grid is brought to that of its image.
        orientation: As of `preprocessing.settings.Preprocessing`.

    Raises:
        InputError: One line for each case that cannot be used.
    """
    problems = []
    for number, case in enumerate(cases, start=1):
        try:
            _write_case(case, adapter, classes, folder, align, orientation)
        except InputError as error:
            problems.append(f"case {case.case}: {error}")
        report(f"{number}/{len(cases)} {case.case}")
    if problems:
        raise InputError(*problems)
    _write_about(folder, adapter.channels, classes, adapter.ignore is not None, len(cases))


def _write_case(
    case: Case,
    adapter: Adapter,
    classes: Sequence[str],
    folder: Path,
    align: bool,
    orientation: str,
) -> None:
    check_originals(case)
    images, raw = read_channels(case.images), read_volume(case.label)
    check_geometry(case.images, images, (case.label, raw), align)
    if align:
        raw = onto(case.label, raw, images[0].header)
    turn = turn_of((image.header for image in images), orientation)
    label = encode_label(turn.voxels(raw.voxels), adapter, classes)
    header = _plain(turn.grid(images[0].grid))
    for path, image in zip(image_files(folder, case.case, len(images)), images, strict=True):
        write_volume(path, turn.voxels(image.voxels), header)
    write_volume(folder / "labelsTr" / f"{case.case}{ENDING}", label, header)


def _plain(grid: Grid) -> Header:
    """Size and spacing alone."""
    return Header(Grid(grid.size, grid.spacing, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)))


def _write_about(
    folder: Path, channels: Sequence[str], classes: Sequence[str], ignore: bool, cases: int
) -> None:
    labels = {"background": 0, **{name: k for k, name in enumerate(classes, start=1)}}
    if ignore:
        labels["ignore"] = len(classes) + 1
    about = {
        "channel_names": {str(number): name for number, name in enumerate(channels)},
        "labels": labels,
        "numTraining": cases,
        "file_ending": ENDING,
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    (folder / "dataset.json").write_text(json.dumps(about, indent=1) + "\n")


def write_labels(
    cases: Sequence[Case],
    classes: Sequence[str],
    annotated: np.ndarray,
    labeling: Labeling,
    full: Path,
    folder: Path,
) -> None:
    """The same dataset under a labeling; images are linked.

    Args:
        cases: All N cases.
        classes: K foreground classes.
        annotated: (N, K) bool, the maps that stay.
        labeling: Its slices are applied here, along z of the image.
        full: From `write_raw`.
        folder: nnUNet_raw/DatasetXXX_Name.

    Raises:
        InputError: As `slice_steps` and `apply_labeling`.
    """
    (folder / "labelsTr").mkdir(parents=True)
    (folder / "imagesTr").symlink_to((full / "imagesTr").absolute())
    about = json.loads((full / "dataset.json").read_text())
    ignored = len(classes) + 1
    steps = slice_steps(cases, labeling)
    for case, flags, of_case in zip(cases, annotated, steps, strict=True):
        volume = read_volume(full / "labelsTr" / f"{case.case}{ENDING}")
        label = np.where(volume.voxels == ignored, IGNORE, volume.voxels).astype(np.uint8)
        label = apply_labeling(label[None], flags[None], [of_case])[0]
        label[label == IGNORE] = ignored
        write_volume(folder / "labelsTr" / f"{case.case}{ENDING}", label, volume.header)
    ignore = any(steps) or "ignore" in about["labels"]
    _write_about(folder, list(about["channel_names"].values()), classes, ignore, len(cases))

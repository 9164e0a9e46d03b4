"""Segment new images, which have no labels, as a study segments its held-out cases."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dicegrad.data.checks import check_geometry, image_problems
from dicegrad.data.images import Images
from dicegrad.data.volumes import read_channels, write_volume
from dicegrad.errors import InputError
from dicegrad.prediction.inference import mean_probabilities
from dicegrad.prediction.model import Model
from dicegrad.prediction.restoration import restore, restored, write_prediction
from dicegrad.preprocessing.prepare import Prepared, prepare_images
from dicegrad.preprocessing.settings import Preprocessing


def remaining(images: Images, out: Path, resume: bool) -> Images:
    """The images that are still to be predicted.

    Args:
        images: All.
        out: Folder of the label maps.
        resume: Skip those whose label map exists.

    Raises:
        InputError: A label map would replace an image, or already exists; `out` is a file.
    """
    if out.is_file():
        raise InputError(
            f"{out}: is a file; the last word before the options is the folder for label maps"
        )
    inputs = {path.resolve() for paths in images.values() for path in paths}
    there = []
    for name in images:
        path = _label_map(out, name)
        if path.resolve() in inputs:
            raise InputError(f"{path}: is an image to predict; name another folder for label maps")
        if path.exists():
            there.append(name)
    if there and not resume:
        raise InputError(
            f"{_label_map(out, there[0])}: already exists ({len(there)} of {len(images)} do); "
            "name another folder, or add --resume to predict the others"
        )
    return {name: paths for name, paths in images.items() if name not in there}


def predict_all(
    model: Model,
    images: Images,
    out: Path,
    probabilities: bool,
    report: Callable[[str], None],
) -> None:
    """Segment the images of several cases; one that cannot be used does not stop the others.

    Args:
        model: The networks.
        images: Of each case, by its name.
        out: Folder of the label maps.
        probabilities: See `predict_images`.
        report: Takes a line after each case: its name and the volume of each class.

    Raises:
        InputError: At the end, one line for each image that cannot be used; at once if a disk or
            the memory of a GPU is full.
    """
    problems = []
    for name, paths in images.items():
        try:
            case = read_images(paths, model.preprocessing)
        except InputError as error:
            problems.append(str(error))
            report(f"{name}  cannot be used")
            continue
        volumes = predict_images(model, name, case, out, probabilities)
        found = (f"{each} {volume:.1f} ml" for each, volume in volumes.items())
        report("  ".join([name, *found]))
    if problems:
        raise InputError("\n".join(problems))


def read_images(paths: Sequence[Path], preprocessing: Preprocessing) -> Prepared:
    """Read and prepare the images of one case, one file a channel.

    Raises:
        InputError: An image cannot be used.
    """
    images = read_channels(paths)
    check_geometry(paths, images)
    if problems := image_problems(paths, (image.voxels for image in images)):
        raise InputError("\n".join(problems))
    try:
        return prepare_images(images, preprocessing)
    except InputError as error:
        raise InputError(f"{paths[0]}: {error}") from error


def predict_images(
    model: Model, name: str, case: Prepared, out: Path, probabilities: bool = False
) -> dict[str, float]:
    """Segment the images of one case.

    Args:
        model: The networks.
        name: Of the case.
        case: Its images.
        out: Folder for ``<name>.nii.gz``, on the grid of the first image.
        probabilities: Write the probability of each class as well, to
            ``probabilities/<name>_<class>.nii.gz``, float32 on the same grid.

    Returns:
        The volume of each class in ml.

    Raises:
        InputError: A disk or the memory of a GPU is full.
    """
    header, original, way_back = case.original, case.original.grid, model.preprocessing.restoration
    prediction = mean_probabilities(model.networks, case.image)
    if probabilities:
        maps = restored(prediction[1:], case.grid, original, way_back)
        for each, volume in zip(model.classes, maps, strict=True):
            file = f"{name}_{re.sub('[^A-Za-z0-9.-]', '_', each)}.nii.gz"
            write_volume(out / "probabilities" / file, volume, header)
    label = restore(prediction, case.grid, original, way_back)
    # Last, since --resume goes by it.
    write_prediction(_label_map(out, name), label, model.classes, model.class_values, header)
    counts = np.bincount(label.ravel(), minlength=len(model.classes) + 1)[1:]
    volumes = counts * np.prod(original.spacing) / 1000
    return dict(zip(model.classes, volumes.tolist(), strict=True))


def _label_map(out: Path, name: str) -> Path:
    return out / f"{name}.nii.gz"

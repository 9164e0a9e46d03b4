"""Segment new images, of which there are no labels, as a study segments its held-out cases."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from dicegrad.data.adapter import Adapter
from dicegrad.data.checks import check_geometry, image_problems
from dicegrad.data.images import Images
from dicegrad.data.volumes import Header, read_volume, write_volume
from dicegrad.errors import InputError
from dicegrad.prediction.inference import load_network, mean_probabilities
from dicegrad.prediction.restoration import restore, restored, write_prediction
from dicegrad.preprocessing.grids import Grid
from dicegrad.preprocessing.prepare import prepare_images
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.training.network import NetworkSettings

# Where the workflow puts weights: experiment and, in it, dataset.
_OF_STUDY = re.compile(r"^(.*/dataset~([^/]+)/.+)/fold~\d+/weights\.pt$")


@dataclass(frozen=True)
class Model:
    """Trained networks, and what is done before and after them.

    Attributes:
        networks: In evaluation mode; their probabilities are averaged.
        preprocessing: From an image to the networks' grid, and back.
        classes: In network order.
        class_values: The dataset's own label values of each class.
    """

    networks: tuple[nn.Module, ...]
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    class_values: Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class NewCase:
    """The images of a case as the networks take them.

    Attributes:
        image: (C, X, Y, Z).
        grid: Of these voxels.
        original: The header of the first image.
    """

    image: np.ndarray
    grid: Grid
    original: Header


def network_settings(settings: Mapping, adapter: Adapter, where: object) -> NetworkSettings:
    """The network that a dataset's settings describe, once its grid is seen to fit.

    Raises:
        InputError: It does not, or the settings do not fit each other.
    """
    channels, classes = len(adapter.channels), len(settings["classes"])
    network = NetworkSettings.from_dict(settings["network"], channels, classes)
    network.check_size(tuple(settings["preprocessing"]["size"]), where)
    return network


def check_origin(dataset: Path, weights: Sequence[Path]) -> None:
    """See that weights of a study are of this dataset, and of one experiment, by their folders.

    Weights themselves hold no settings: with those of another dataset, a network of the same shape
    would predict without a complaint.

    Raises:
        InputError: They are of another one, or of several experiments.
    """
    first = None
    for path in weights:
        of_study = _OF_STUDY.search(path.absolute().as_posix())
        if not of_study:
            continue
        experiment, name = of_study.groups()
        if name != dataset.stem:
            raise InputError(
                f"{path}: weights of the dataset {name}, not of {dataset.stem}; give "
                f"{dataset.with_stem(name)}, or other weights"
            )
        if experiment != (first := first or experiment):
            raise InputError(
                f"{path}: weights of another experiment than {first}; their probabilities are "
                "averaged, so name the folds of one"
            )


def load_networks(
    settings: NetworkSettings, weights: Sequence[Path], device: str
) -> tuple[nn.Module, ...]:
    """The networks of some `weights.pt`.

    Raises:
        InputError: One is not there, or is that of another network.
    """
    for path in weights:
        if not path.is_file():
            raise InputError(f"{path}: no such file; name the weights.pt of a finished training")
    return tuple(load_network(settings, path, device) for path in weights)


def place_grid(preprocessing: Preprocessing, crop: str | None, where: object) -> Preprocessing:
    """Preprocessing that needs no label.

    Args:
        preprocessing: Of the dataset.
        crop: What to place the network's grid by instead of the true label, which `crop: label`
            looks at; else None.
        where: Dataset file, for the message.

    Raises:
        InputError: A crop is needed and not given, or given and not needed.
    """
    if preprocessing.crop == "label":
        if crop is None:
            raise InputError(
                f"{where}: preprocessing.crop is label, the place of the true label, which a new "
                "image has not; add --crop foreground or center, and expect less than the study's "
                "scores"
            )
        return replace(preprocessing, crop=crop)
    if crop not in (None, preprocessing.crop):
        raise InputError(
            f"--crop is {crop}, but the networks have learnt with {preprocessing.crop}, which "
            f"needs no label ({where}); leave --crop out"
        )
    return preprocessing


def remaining(images: Images, out: Path, resume: bool) -> Images:
    """The images that are still to be predicted.

    Args:
        images: All.
        out: Folder of the label maps.
        resume: Pass over those whose label map is there.

    Raises:
        InputError: A label map would replace an image, or is there already; `out` is a file.
    """
    if out.is_file():
        raise InputError(f"{out}: is a file; the last word before the options is a folder to write")
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
            f"{_label_map(out, there[0])}: is there already ({len(there)} of {len(images)} are); "
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
        InputError: Lines on the images that could not be used, at the end; or at once that a disk
            or the memory of a GPU is full.
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


def read_images(paths: Sequence[Path], preprocessing: Preprocessing) -> NewCase:
    """Read and prepare the images of one case, one file a channel.

    Raises:
        InputError: An image cannot be used.
    """
    images = [read_volume(path) for path in paths]
    check_geometry(paths, images)
    if problems := image_problems(paths, (image.voxels for image in images)):
        raise InputError("\n".join(problems))
    try:
        return NewCase(*prepare_images(images, preprocessing), images[0].header)
    except InputError as error:
        raise InputError(f"{paths[0]}: {error}") from error


def predict_images(
    model: Model, name: str, case: NewCase, out: Path, probabilities: bool = False
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

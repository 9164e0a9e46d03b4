"""Segment new images, which have no labels, as a study segments its held-out cases."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dicegrad.data.cases import repeated
from dicegrad.data.images import Images
from dicegrad.data.volumes import write_volume
from dicegrad.errors import InputError
from dicegrad.prediction.inference import mean_probabilities, overlapping
from dicegrad.prediction.model import Model
from dicegrad.prediction.new_images import NewCase, read_images
from dicegrad.prediction.restoration import restore, restored, write_prediction
from dicegrad.prediction.window import sliding_probabilities
from dicegrad.preprocessing.coding import Coding


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


@dataclass(frozen=True)
class Predicted:
    """What became of one new case.

    Attributes:
        case: Its name.
        file: Of the label map; None where the images cannot be used.
        volumes_ml: Of each class.
        outside: Share of the image that the networks did not see.
        notes: Lines on what was done to the images.
        doubts: Lines on why the prediction may be wrong, or on why there is none.
    """

    case: str
    file: Path | None
    volumes_ml: Mapping[str, float] = field(default_factory=dict)
    outside: float = 0.0
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def line(self) -> str:
        """The case in a line: its name, the volume of each class, and notes."""
        if self.file is None:
            return f"{self.case}  cannot be used"
        volumes = (f"{name} {in_ml(value)}" for name, value in self.volumes_ml.items())
        return "  ".join([self.case, *volumes, *self.notes, *(f"! {each}" for each in self.doubts)])


def in_ml(volume: float) -> str:
    """A volume in words, with three digits that count.

    Example:
        >>> in_ml(1.7234), in_ml(112.46), in_ml(0.0), in_ml(0.000412)
        ('1.72 ml', '112 ml', '0 ml', '0.000412 ml')
    """
    return f"{volume:.0f} ml" if volume >= 100 else f"{volume:.3g} ml"


def predict_all(
    model: Model,
    images: Images,
    out: Path,
    probabilities: bool,
    report: Callable[[str], None],
) -> list[Predicted]:
    """Segment the images of several cases; one that cannot be used does not stop the others.

    Args:
        model: The networks.
        images: Of each case, by its name.
        out: Folder of the label maps.
        probabilities: See `predict_images`.
        report: Takes a line after each case: its name and the volume of each class.

    Returns:
        One for each case, in order; one that cannot be used has no file.

    Raises:
        InputError: A disk or the memory of a GPU is full, or two probabilities would be one file.
    """
    if probabilities:
        _check_map_names(images, model.classes, out)
    done = []
    for name, paths in images.items():
        try:
            case = read_images(paths, model)
        except InputError as error:
            done.append(Predicted(name, None, doubts=tuple(error.args)))
        else:
            volumes = predict_images(model, name, case, out, probabilities)
            path = _label_map(out, name)
            told = case.notes, case.doubts
            done.append(Predicted(name, path, volumes, case.outside, *told))
        report(done[-1].line())
    return done


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
    prepared, way_back = case.prepared, model.preprocessing.restoration
    grid, original = prepared.grid, case.header.grid
    if model.slide:
        size = model.preprocessing.size
        prediction = sliding_probabilities(model.networks, prepared.image, size)
    else:
        prediction = mean_probabilities(model.networks, prepared.image)
    if probabilities:
        maps = restored(prediction[1:], grid, original, way_back)
        for file, volume in zip(_map_names(name, model.classes), maps, strict=True):
            write_volume(out / "probabilities" / file, volume, case.header)
    coding = Coding(len(model.classes), overlapping(model.networks[0]))
    label = restore(prediction, grid, original, way_back, coding.overlapping)
    # Last, since --resume goes by it.
    write_prediction(_label_map(out, name), label, model.classes, model.class_values, case.header)
    volumes = coding.counts(label) * np.prod(original.spacing) / 1000
    return dict(zip(model.classes, volumes.tolist(), strict=True))


def _map_names(name: str, classes: Sequence[str]) -> list[str]:
    """The files of a case's probabilities; a class has its number where two would be one file."""
    words = [re.sub(r"[^\w.-]", "_", each) for each in classes]
    twice = repeated(word.casefold() for word in words)
    numbers = (
        f"_{number}" if word.casefold() in twice else "" for number, word in enumerate(words, 1)
    )
    return [f"{name}_{word}{number}.nii.gz" for word, number in zip(words, numbers, strict=True)]


def _check_map_names(images: Images, classes: Sequence[str], out: Path) -> None:
    """See that the probabilities of two cases are not one file, as of a, b_c and of a_b, c."""
    files = [file for name in images for file in _map_names(name, classes)]
    if twice := repeated(file.casefold() for file in files):
        raise InputError(
            f"{out / 'probabilities' / twice[0]}: would hold a class of two cases; predict them "
            "into different folders, or leave --probabilities out"
        )


def _label_map(out: Path, name: str) -> Path:
    return out / f"{name}.nii.gz"

"""Trained networks, and all that prediction needs besides: from weights, or with a dataset file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from torch import nn

from dicegrad.data.adapter import Adapter
from dicegrad.data.cases import repeated
from dicegrad.errors import InputError
from dicegrad.prediction.inference import build_network
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.study.regions import overlap
from dicegrad.training.checkpoint import Weights, load_weights
from dicegrad.training.network import NetworkSettings
from dicegrad.training.seen import Seen
from dicegrad.training.trained import Source, check_same, differing

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
        channels: Names of the image channels, in order.
        seen: What the training images were like, if the weights say it.
        slide: Whether the networks' grid is moved over an image that is larger.
    """

    networks: tuple[nn.Module, ...]
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    class_values: Mapping[str, Sequence[int]]
    channels: tuple[str, ...] = ()
    seen: Seen | None = None
    slide: bool = False

    @classmethod
    def from_weights(
        cls,
        weights: Sequence[Weights],
        given: "Given | None" = None,
        crop: str | None = None,
        device: str = "cpu",
        slide: bool = False,
    ) -> "Model":
        """The model that some weights are of; all that it needs stands in them.

        Args:
            weights: See `read_weights`.
            given: Settings of a dataset file: they have to be those of the weights, and stand in
                for those that weights of an earlier version do not hold.
            crop: See `place_grid`.
            device: Where to run the networks.
            slide: Whether their grid is moved over an image that is larger.

        Raises:
            InputError: The settings are others than those of the weights, or are needed.
        """
        given = settings_of(weights, given)
        preprocessing = place_grid(given.source.preprocessing, crop, given.where, slide)
        networks = tuple(build_network(given.network, each, device) for each in weights)
        source = given.source
        return cls(
            networks,
            preprocessing,
            source.classes,
            source.class_values,
            source.channels,
            seen_by(weights),
            slide,
        )


@dataclass(frozen=True)
class Given:
    """The settings that prediction needs.

    Attributes:
        source: Channels, classes and preprocessing.
        network: The network.
        where: The file that they are from, for messages.
    """

    source: Source
    network: NetworkSettings
    where: Path


def read_weights(paths: Sequence[Path]) -> tuple[Weights, ...]:
    """Read the weights of one experiment, one file a fold.

    Raises:
        InputError: A file is missing, damaged, named twice, or of another experiment than the
            first.
    """
    if twice := repeated(str(path.resolve()) for path in paths):
        raise InputError(
            f"{twice[0]}: is named twice, and would count twice in the mean; name each fold once"
        )
    weights = tuple(load_weights(path) for path in paths)
    first = next((each for each in weights if each.trained), None)
    for other in weights:
        if first and first.trained and other.trained:
            check_same(
                other.path,
                first.path,
                differing(other.trained.experiment, first.trained.experiment),
                "their probabilities are averaged, so name the folds of one experiment",
            )
    return weights


def settings_of(weights: Sequence[Weights], given: Given | None = None) -> Given:
    """The settings that weights were trained with, compared with those that are given.

    Raises:
        InputError: One line: they differ among the weights, or from what is given; or the weights
            are of an earlier version that does not hold them, and none are given.
    """
    remedy = "name the dataset file of that training run, or other weights"
    for each in weights:
        if each.trained is None or each.trained.source is None:
            if given is None:
                raise InputError(
                    f"{each.path}: holds no settings, since an earlier version wrote it; {remedy}"
                )
            continue
        source = each.trained.source
        network = NetworkSettings(**each.trained.network)
        given = given or Given(source, network, each.path)
        differences = source.differences(given.source)
        differences |= differing(asdict(network), asdict(given.network), "network.")
        check_same(each.path, given.where, differences, remedy)
    if given is None:
        raise InputError("no weights; name the weights.pt of a training run")
    return given


def seen_by(weights: Sequence[Weights]) -> Seen | None:
    """What the training images of some weights were like, as far as all of them say it."""
    found = [each.trained.seen for each in weights if each.trained and each.trained.seen]
    if len(found) < len(weights):
        return None
    axes = dict.fromkeys(way for each in found for way in each.axes)
    said = [each.unplaced for each in found]
    unplaced = None if None in said else any(said)
    return Seen(tuple(axes), max(each.outside for each in found), unplaced)


def network_settings(settings: Mapping, adapter: Adapter, where: object) -> NetworkSettings:
    """The network that a dataset's settings describe; its grid must fit.

    Raises:
        InputError: It does not, or the settings do not fit each other.
    """
    channels, classes = len(adapter.channels), len(settings["classes"])
    shared = overlap({name: adapter.class_values[name] for name in settings["classes"]})
    network = NetworkSettings.from_dict(settings["network"], channels, classes, shared)
    network.check_size(tuple(settings["preprocessing"]["size"]), where)
    return network


def check_origin(dataset: Path, weights: Sequence[Path]) -> None:
    """See that weights of a study are of this dataset, and of one experiment, by their folders.

    Weights of earlier versions hold no settings: with those of another dataset, a network of the
    same shape would predict without an error.

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


def place_grid(
    preprocessing: Preprocessing, crop: str | None, where: object, slide: bool = False
) -> Preprocessing:
    """Preprocessing that needs no label.

    Args:
        preprocessing: Of the dataset.
        crop: Where to place the network's grid if `preprocessing.crop` is `label`, since a new
            image has no label; else None.
        where: Dataset file or weights, for the message.
        slide: Whether the grid is moved over the whole image, so that its place is of no matter,
            unless the mean of the intensities is that of the grid.

    Raises:
        InputError: A crop is needed and not given, or given and not needed.
    """
    placeless = slide and not preprocessing.normalisation.of_grid
    if placeless and preprocessing.crop == "label" and crop is None:
        return replace(preprocessing, crop="center")
    if preprocessing.crop == "label":
        if crop is None:
            raise InputError(
                f"{where}: preprocessing.crop is label, the position of the true label, which a "
                "new image does not have; add --crop foreground or center, and expect lower scores "
                "than in the study"
            )
        return replace(preprocessing, crop=crop)
    if crop not in (None, preprocessing.crop):
        raise InputError(
            f"--crop is {crop}, but the networks were trained with {preprocessing.crop}, which "
            f"needs no label ({where}); leave --crop out"
        )
    return preprocessing

"""What weights were trained as: all that prediction needs, and what made them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicegrad.checksums import verify
from dicegrad.errors import InputError
from dicegrad.files import read_text
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.study.dataset_checks import GRID
from dicegrad.study.schemas import shown
from dicegrad.training.seen import Seen

if TYPE_CHECKING:
    from dicegrad.data.adapter import Adapter
    from dicegrad.study import Dataset

# Of the labels of training cases; a new image has none.
_OF_LABELS = ("label", "ties", "allow_lost")


@dataclass(frozen=True)
class Source:
    """Where the images of a network come from: what prediction has to do alike.

    Attributes:
        channels: Names of the image channels, in order.
        classes: Names of the classes, in network order.
        class_values: The dataset's own label values of each class; the first is written.
        preprocessing: From an image to the network's grid, and back.
        window: `grid`, or `slide` where the grid is moved over an image that is larger. It is a
            choice of whoever predicts, so that another one is no difference.
    """

    channels: tuple[str, ...]
    classes: tuple[str, ...]
    class_values: Mapping[str, tuple[int, ...]]
    preprocessing: Preprocessing
    window: str = GRID

    @classmethod
    def of(cls, dataset: "Dataset", adapter: "Adapter") -> "Source":
        """What a dataset file and the adapter of its data say."""
        return cls(
            adapter.channels,
            dataset.classes,
            {name: tuple(adapter.class_values[name]) for name in dataset.classes},
            Preprocessing.from_dict(dataset.block("preprocessing")),
            dataset.block("prediction", "window", default=GRID),
        )

    @classmethod
    def beside(cls, arrays: Path, dataset: "Dataset") -> "Source | None":
        """What a dataset file and `prepared.json` in the folder of the arrays say.

        None where that file is missing, or is of an earlier version that does not say it.

        Raises:
            InputError: The file is damaged.
        """
        path = arrays / "prepared.json"
        if not path.is_file():
            return None
        verify(path)
        try:
            about = json.loads(read_text(path))
            known = {key: about.get(key) for key in ("channels", "class_values")}
        except (ValueError, AttributeError, RecursionError) as error:
            raise InputError(f"{path}: is damaged; delete it to prepare the cases again") from error
        if None in known.values():
            return None
        return cls.from_dict(
            {
                **known,
                "classes": dataset.classes,
                "preprocessing": dataset.block("preprocessing"),
                "window": dataset.block("prediction", "window", default=GRID),
            }
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Source":
        """Read plain values, such as `to_dict` gives, or blocks of a dataset file.

        Raises:
            InputError: The preprocessing cannot be used.
        """
        return cls(
            tuple(values["channels"]),
            tuple(values["classes"]),
            {name: tuple(each) for name, each in values["class_values"].items()},
            Preprocessing.from_dict(values["preprocessing"]),
            values.get("window", GRID),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def differences(self, other: "Source") -> dict[str, tuple[Any, Any]]:
        """What changes a prediction: key -> value here and there."""
        keys = ("channels", "classes", "class_values")
        found = {key: (getattr(self, key), getattr(other, key)) for key in keys}
        for each in fields(Preprocessing):
            if each.name not in _OF_LABELS:
                ours, theirs = (getattr(s.preprocessing, each.name) for s in (self, other))
                found[f"preprocessing.{each.name}"] = ours, theirs
        return {key: pair for key, pair in found.items() if pair[0] != pair[1]}


@dataclass(frozen=True)
class Trained:
    """What weights were trained as. Goes into `weights.pt` as plain values.

    Attributes:
        dataset: Name of the dataset.
        experiment: Column -> value of the experiment, defaults included.
        fold: The fold that was held out.
        study: Name of the study.
        seed: Of the study.
        network: Fields of `NetworkSettings`.
        training: Fields of `TrainingSettings`.
        epsilon: The smoothing term in voxels, of each class if it is the heuristic.
        sampling: How often the cases of a group were listed.
        released: Switches of the authors' code.
        training_cases: Names of the cases that it was trained on.
        source: Where its images come from; None where the training run was not told.
        data: Fingerprint of the prepared arrays.
        made: Version, commit and code of dicegrad, version of torch, and the device.
        seen: What its images were like; None where an earlier version wrote the weights.
    """

    dataset: str
    experiment: Mapping[str, str | int]
    fold: int
    study: str
    seed: int
    network: Mapping[str, Any]
    training: Mapping[str, Any]
    epsilon: float | list[float] | None
    sampling: Mapping[str, int]
    released: tuple[str, ...]
    training_cases: tuple[str, ...]
    source: Source | None = None
    data: str = ""
    made: Mapping[str, str] = field(default_factory=dict)
    seen: Seen | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Trained":
        """Read what `to_dict` gave; keys of a later version are passed over."""
        known = {each.name for each in fields(cls)}
        found = {key: value for key, value in values.items() if key in known}
        if found.get("source") is not None:
            found["source"] = Source.from_dict(found["source"])
        if found.get("seen") is not None:
            found["seen"] = Seen.from_dict(found["seen"])
        return cls(**found)


def differing(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], block: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Where two mappings differ: key, behind the name of its block -> value there and here."""
    return {
        block + key: (theirs.get(key), ours.get(key))
        for key in {**ours, **theirs}
        if theirs.get(key) != ours.get(key)
    }


def check_same(
    weights: object, given: object, differences: Mapping[str, tuple[Any, Any]], remedy: str
) -> None:
    """Refuse settings that differ from those of some weights.

    Args:
        weights: Their file.
        given: Where the other settings come from.
        differences: Key -> value of the weights and the other.
        remedy: How to fix it.

    Raises:
        InputError: One line for the first difference: both files, the key and both values.
    """
    for key, values in differences.items():
        theirs, ours = (shown(_plain(value)) for value in values)
        raise InputError(
            f"{weights}: was trained with {key} {theirs}, but {given} has {ours}; {remedy}"
        )


def _plain(value: Any) -> Any:  # noqa: ANN401
    """A setting as a user writes it: lists instead of tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (tuple, list)) else value

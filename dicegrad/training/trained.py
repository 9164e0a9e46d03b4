"""What weights were trained as: all that prediction needs, and what made them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dicegrad.errors import InputError
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.study.schemas import shown

# How the label of a training case is resampled; a new image has none.
_OF_LABELS = ("label",)


@dataclass(frozen=True)
class Source:
    """Where the images of a network come from: what prediction has to do alike.

    Attributes:
        channels: Names of the image channels, in order.
        classes: Names of the classes, in network order.
        class_values: The dataset's own label values of each class; the first is written.
        preprocessing: From an image to the network's grid, and back.
    """

    channels: tuple[str, ...]
    classes: tuple[str, ...]
    class_values: Mapping[str, tuple[int, ...]]
    preprocessing: Preprocessing

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
        return cls(**found)


def check_same(trained: object, given: object, differences: Mapping[str, tuple], do: str) -> None:
    """Refuse settings that differ.

    Args:
        trained: The weights, for the message.
        given: Where the other settings come from.
        differences: Key -> value of the weights and the other.
        do: The remedy.

    Raises:
        InputError: The first difference.
    """
    for key, (theirs, ours) in differences.items():
        raise InputError(
            f"{trained}: was trained with {key} {shown(plain(theirs))}, but {given} has "
            f"{shown(plain(ours))}; {do}"
        )


def plain(value: Any) -> Any:  # noqa: ANN401
    """A setting as a user writes it: lists instead of tuples."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, (tuple, list)) else value

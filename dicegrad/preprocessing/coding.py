"""What the numbers of a prepared label map stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dicegrad.preprocessing.labeling import IGNORE
from dicegrad.study.regions import overlap


@dataclass(frozen=True)
class Coding:
    """How a label map of one byte a voxel says which classes a voxel is of.

    Attributes:
        classes: Number of classes K.
        overlapping: If not, k stands for the k-th class, 0 for background. If so, the k-th bit
            does, so that a voxel may be of several classes, and 0 is none of them. `IGNORE` is a
            voxel of which no label is known either way.
    """

    classes: int
    overlapping: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Sequence[int]], classes: Sequence[str]) -> "Coding":
        """The coding of some classes, of which the label values are given."""
        return cls(len(classes), overlap({name: values[name] for name in classes}))

    @property
    def highest(self) -> int:
        """The highest number beside `IGNORE`."""
        return 2**self.classes - 1 if self.overlapping else self.classes

    @cached_property
    def members(self) -> np.ndarray:
        """(256, K) bool: the classes that each number stands for."""
        numbers = np.arange(256)[:, None]
        one = np.arange(self.classes)
        found = (numbers >> one) & 1 == 1 if self.overlapping else numbers == one + 1
        return found & (numbers <= self.highest)

    def code(self, members: np.ndarray) -> np.ndarray:
        """(...,) uint8 numbers of (..., K) bool members; exclusive classes have one at most."""
        worth = 2 ** np.arange(self.classes) if self.overlapping else np.arange(self.classes) + 1
        return (members * worth).sum(axis=-1).astype(np.uint8)

    def counts(self, label: np.ndarray) -> np.ndarray:
        """(K,) int64 voxels of each class in a label map of any shape."""
        return np.bincount(label.ravel(), minlength=256) @ self.members.astype(np.int64)

    def both(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """(K,) int64 voxels that two label maps of one shape give to the same class."""
        if self.overlapping:
            known = (one != IGNORE) & (other != IGNORE)
            return self.counts(one[known] & other[known])
        return self.counts(one[one == other])


def raw_codes(
    values: Mapping[str, Sequence[int]], classes: Sequence[str]
) -> tuple[Coding, dict[int, int]]:
    """The number of each label value.

    Args:
        values: Label values of each class of the dataset.
        classes: Those of the study, in network order.

    Returns:
        The coding, and label value -> number, for values that are of some class.
    """
    coding = Coding.of(values, classes)
    every = sorted({value for name in classes for value in values[name]})
    members = np.array([[value in values[name] for name in classes] for value in every], bool)
    codes = coding.code(members.reshape(len(every), len(classes)))
    return coding, dict(zip(every, codes.tolist(), strict=True))


def written_values(values: Mapping[str, Sequence[int]], classes: Sequence[str]) -> np.ndarray:
    """(256,) the label value that a prediction is written with, for each number.

    A class that excludes the others is written with the first of its values. Of overlapping
    classes, the value that stands for exactly these is written. If there is none, such as for a
    core outside the whole, it is the value of the fewest classes that include these, and failing
    that the one that shares most of them.
    """
    coding, codes = raw_codes(values, classes)
    if not coding.overlapping:
        table = np.zeros(256, np.int64)
        table[1 : len(classes) + 1] = [values[name][0] for name in classes]
        return table
    held = {0: coding.members[0], **{v: coding.members[code] for v, code in codes.items()}}
    table = np.zeros(256, np.int64)
    for code in range(1, coding.highest + 1):
        table[code] = min(held, key=lambda value: _misfit(held[value], coding.members[code], value))
    return table


def _misfit(members: np.ndarray, wanted: np.ndarray, value: int) -> tuple[int, int, int]:
    """How badly a label value stands for some classes; the lowest is best."""
    lacking = int((wanted & ~members).sum())
    return lacking, int((members & ~wanted).sum()), value

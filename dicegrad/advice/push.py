"""The push on labelled, empty and missing maps, from Eq. 3 and Eq. 4 alone.

docs/explorer.html computes the same in JavaScript; tests/advice/test_explorer.py holds the two
against each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb, isfinite
from typing import Literal

from dicegrad.errors import InputError

PHIS = ("I", "CI", "BI", "BCI")
UNANNOTATED = ("as_empty", "ignored", "marginal")
Kind = Literal["labelled", "empty", "missing"]
IMAGE = 50  # voxels of an image, in volumes of the object; only the background of marginal sees it
IGNORED, LEARNT = 0.01, 0.1  # of the push on a labelled map


@dataclass(frozen=True)
class Setting:
    """A batch in which one class is sometimes missing.

    Every map is predicted with the volume of the object. In a labelled map a share of it overlaps
    the truth. The other classes of the batch are labelled, of the same volume and overlap.

    Attributes:
        phi: "I", "CI", "BI" or "BCI".
        batch_size: B, at least 1.
        epsilon: Smoothing term in voxels, above 0.
        volume: V, voxels of the object, above 0.
        overlap: Share of V that is hit, 0 to 1.
        missing: Share of the maps of this class that nobody drew, 0 to 1.
        unannotated: "as_empty", "ignored" or "marginal".
        classes: C, at least 1, without background.
    """

    phi: str = "I"
    batch_size: int = 2
    epsilon: float = 1e-7
    volume: float = 8789
    overlap: float = 0.5
    missing: float = 0.5
    unannotated: str = "as_empty"
    classes: int = 1

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("phi", self.phi, PHIS),
            ("unannotated", self.unannotated, UNANNOTATED),
        ):
            if value not in allowed:
                raise InputError(f"{name} is {value!r}; allowed are {', '.join(allowed)}")
        if self.batch_size < 1 or self.classes < 1:
            raise InputError(
                f"batch_size is {self.batch_size}, classes {self.classes}; both must be at least 1"
            )
        for name in ("epsilon", "volume"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0):
                raise InputError(f"{name} is {value!r}; it must be finite and above 0")
        for name in ("overlap", "missing"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)!r}; it must lie in 0 to 1")


@dataclass(frozen=True)
class Pushes:
    """Mean derivatives of the loss by the prediction of a voxel (Eq. 4).

    Attributes:
        labelled_pull: On a true voxel of a labelled map; negative, training pulls it up.
        labelled_push: On a false voxel of a labelled map; positive, training pushes it down.
        empty_push: On a voxel predicted in an empty map.
        missing_push: On a voxel predicted in a missing map; negative if it counts as background
            that is pulled up.
    """

    labelled_pull: float
    labelled_push: float
    empty_push: float
    missing_push: float


@dataclass(frozen=True)
class _Sums:
    """Intersection, predicted and true volume of a subset."""

    overlap: float = 0.0
    predicted: float = 0.0
    true: float = 0.0

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(
            self.overlap + other.overlap,
            self.predicted + other.predicted,
            self.true + other.true,
        )

    def times(self, factor: float) -> "_Sums":
        return _Sums(self.overlap * factor, self.predicted * factor, self.true * factor)


def pushes(setting: Setting) -> Pushes:
    """Mean over batches in which each other map is missing with the setting's share."""
    others = setting.batch_size - 1
    s = setting.missing
    totals = {"pull": 0.0, "labelled": 0.0, "empty": 0.0, "missing": 0.0}
    for count in range(others + 1):
        weight = comb(others, count) * s**count * (1 - s) ** (others - count)
        for name, value in in_batch(setting, count).items():
            totals[name] += weight * value
    return Pushes(totals["pull"], totals["labelled"], totals["empty"], totals["missing"])


def in_batch(setting: Setting, missing: int) -> Mapping[str, float]:
    """The four derivatives beside so many missing maps, all others of the batch being labelled.

    Args:
        setting: The setting.
        missing: How many of the B - 1 other maps of the class are missing.

    Returns:
        "pull" and "labelled": on a true and a false voxel of a labelled map; "empty"; "missing".
    """
    labelled = setting.batch_size - 1 - missing
    pull, push = _derivatives(setting, "labelled", labelled, missing)
    _, empty = _derivatives(setting, "empty", labelled, missing)
    return {
        "pull": pull,
        "labelled": push,
        "empty": empty,
        "missing": _of_missing(setting, labelled, missing),
    }


def regime(setting: Setting) -> str:
    """What the loss makes of missing and of empty maps, in words."""
    found = pushes(setting)
    empty = _word(found.empty_push, found.labelled_push)
    if setting.unannotated == "marginal":
        missing = "counted as background: what is predicted there is right either way"
    elif setting.unannotated == "ignored":
        missing = "left alone: they have no gradient at all"
    else:
        missing = {
            "learnt": "learnt as empty: the class is unlearnt where nobody drew it",
            "torn": "weakly pushed to empty: which side wins is a matter of time",
            "ignored": "ignored, as long as something is predicted there",
        }[_word(found.missing_push, found.labelled_push)]
    told = {
        "learnt": "learnt: false predictions are pushed away",
        "torn": "weakly learnt: false predictions go slowly",
        "ignored": "ignored: nothing pushes false predictions away",
    }[empty]
    return f"Missing maps are {missing}. Empty maps are {told}."


def _word(push: float, reference: float) -> str:
    ratio = push / reference if reference > 0 else 0.0
    if ratio >= LEARNT:
        return "learnt"
    return "torn" if ratio >= IGNORED else "ignored"


def _derivatives(setting: Setting, kind: Kind, labelled: int, missing: int) -> tuple[float, float]:
    """Eq. 4 on a true and a false voxel of one map of the class, which is of that kind."""
    sums = _subset(setting, kind, labelled, missing)
    subsets = _subsets(setting, kind, labelled, missing)
    bottom = sums.predicted + sums.true + setting.epsilon
    level = (2 * sums.overlap + setting.epsilon) / bottom**2
    return -(2 / bottom - level) / subsets, level / subsets


def _of_missing(setting: Setting, labelled: int, missing: int) -> float:
    if setting.unannotated == "as_empty":
        return _derivatives(setting, "missing", labelled, missing)[1]
    if setting.unannotated == "ignored":
        return 0.0
    sums = _background(setting, labelled, missing)
    if "C" in setting.phi:  # the foreground is pooled with it
        sums += _subset(setting, "missing", labelled, missing)
    bottom = sums.predicted + sums.true + setting.epsilon
    level = (2 * sums.overlap + setting.epsilon) / bottom**2
    return -(2 / bottom - level) / _subsets(setting, "missing", labelled, missing)


def _map(setting: Setting, true: bool) -> _Sums:
    v = setting.volume
    return _Sums(setting.overlap * v, v, v) if true else _Sums(0.0, v, 0.0)


def _subset(setting: Setting, kind: Kind, labelled: int, missing: int) -> _Sums:
    """Sums of the subset that holds the map; missing maps are in it as empty ones or not at all."""
    seen = setting.unannotated == "as_empty"
    others = _map(setting, True).times(setting.classes - 1)
    own = _map(setting, kind == "labelled")
    if kind == "missing" and not seen:
        own = _Sums()
    total = own
    if "B" in setting.phi:
        total += _map(setting, True).times(labelled)
        total += _map(setting, False).times(missing if seen else 0)
    if "C" in setting.phi:
        total += others.times(setting.batch_size if "B" in setting.phi else 1)
        if setting.unannotated == "marginal" and kind != "missing":
            total += _background_with(setting, kind, labelled, missing)
    return total


def _subsets(setting: Setting, kind: Kind, labelled: int, missing: int) -> float:
    """|Phi|: subsets without an annotated map leave the mean and its count."""
    marginal = setting.unannotated == "marginal"
    maps = setting.classes + marginal
    gone = 0 if setting.unannotated == "as_empty" else missing + (kind == "missing")
    if setting.phi == "I":
        return setting.batch_size * maps - gone
    if setting.phi == "CI":
        alone = setting.classes == 1 and not marginal
        return setting.batch_size - (gone if alone else 0)
    if setting.phi == "BI":
        return maps - (gone == setting.batch_size)
    return 1


def _background_of(setting: Setting, true: int, present: bool) -> _Sums:
    """Background of one element; the probability of a missing class belongs to it.

    Args:
        setting: The setting.
        true: Classes with true voxels.
        present: Whether the class itself counts as foreground, true or not.
    """
    v, hit = setting.volume, setting.overlap * setting.volume
    n = IMAGE * setting.classes * v
    foreground = setting.classes if present else setting.classes - 1
    missed = true * (v - hit)
    predicted = n - foreground * v
    return _Sums(predicted - missed, predicted, n - true * v)


def _background(setting: Setting, labelled: int, missing: int) -> _Sums:
    return _background_with(setting, "missing", labelled, missing)


def _background_with(setting: Setting, kind: Kind, labelled: int, missing: int) -> _Sums:
    """Background of the subset that holds a map of that kind."""
    c = setting.classes
    own = _background_of(setting, c if kind == "labelled" else c - 1, kind != "missing")
    if "B" not in setting.phi:
        return own
    own += _background_of(setting, c, True).times(labelled)
    return own + _background_of(setting, c - 1, False).times(missing)

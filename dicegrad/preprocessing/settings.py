"""What a user sets about preprocessing, checked once and frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Self

from dicegrad.errors import InputError

CROPS = ("center", "label", "foreground")
LABEL_METHODS = ("distance", "linear", "nearest")
NORMALISE_OVER = ("whole", "nonzero")
RESTORATIONS = ("linear", "nearest")


def _check_keys(block: str, values: Mapping[str, Any], kind: type) -> None:
    """Refuse a key that the block does not have, or miss one that it must have."""
    if not isinstance(values, Mapping):
        raise InputError(f"{block}: {values!r} is not a mapping of keys to values")
    known = [field.name for field in fields(kind)]
    for key in values:
        if key not in known:
            raise InputError(f"{block}: unknown key {key!r}; the keys are {', '.join(known)}")


def _choice(block: str, key: str, value: Any, allowed: tuple[str, ...]) -> str:  # noqa: ANN401
    if value not in allowed:
        raise InputError(f"{block}: {key} is {value!r}; choose one of {', '.join(allowed)}")
    return value


def _triple(block: str, key: str, value: Any, kind: type) -> tuple:  # noqa: ANN401
    """Three positive numbers of one kind."""
    try:
        triple = tuple(kind(v) for v in value)
        whole = all(kind(v) == float(v) for v in value)
    except (TypeError, ValueError):
        triple, whole = (), False
    if len(triple) != 3 or not whole or any(v <= 0 for v in triple):
        raise InputError(f"{block}: {key} is {value!r}; give three positive numbers, as [x, y, z]")
    return triple


@dataclass(frozen=True)
class Normalisation:
    """How intensities are brought to mean 0 and standard deviation 1.

    Attributes:
        over: The voxels that the mean and the standard deviation are taken over. ``whole``: all of
            the network grid, where what lies outside the image counts as 0. ``nonzero``: those of
            the whole image, resampled to the network's spacing, that are not 0; the others stay 0.
        clip: Cumulative probabilities (low, high) of the quantiles that intensities are clipped to
            beforehand, or None.
    """

    over: str = "nonzero"
    clip: tuple[float, float] | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read the block ``preprocessing: normalisation:``; fractions such as 1/101 are welcome."""
        block = "preprocessing: normalisation"
        _check_keys(block, values, cls)
        clip = values.get("clip")
        if clip is not None:
            try:
                low, high = (float(Fraction(str(v))) for v in clip)
            except (TypeError, ValueError, ZeroDivisionError):
                low, high = 1.0, 0.0
            if not 0 <= low < high <= 1:
                raise InputError(f"{block}: clip is {clip!r}; give [low, high] in 0 .. 1, or null")
            clip = (low, high)
        return cls(_choice(block, "over", values.get("over", cls.over), NORMALISE_OVER), clip)


@dataclass(frozen=True)
class Preprocessing:
    """From the original image to the network's grid, and back.

    Attributes:
        spacing: Voxel size of the network grid in mm, along the image's own axes (x, y, z).
        size: Number of voxels of the network grid along (x, y, z).
        crop: Where the network grid lies: on the ``center`` of the volume, on the centre of mass
            of the true ``label`` (an oracle), or on that of the non-zero ``foreground``.
        antialias: Whether images (and ``linear`` labels) are smoothed before they are downsampled.
        label: How label maps are resampled: signed ``distance`` maps, ``linear``, ``nearest``.
        normalisation: See `Normalisation`.
        restoration: How probabilities return to the original grid: ``linear`` or ``nearest``.
    """

    spacing: tuple[float, float, float]
    size: tuple[int, int, int]
    crop: str = "center"
    antialias: bool = True
    label: str = "distance"
    normalisation: Normalisation = Normalisation()
    restoration: str = "linear"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read the block ``preprocessing:`` of a dataset's settings.

        Raises:
            InputError: An unknown or missing key, or a value out of range.
        """
        block = "preprocessing"
        _check_keys(block, values, cls)
        for key in ("spacing", "size"):
            if key not in values:
                raise InputError(f"{block}: {key} is missing; give three numbers, as [x, y, z]")
        antialias = values.get("antialias", cls.antialias)
        if not isinstance(antialias, bool):
            raise InputError(f"{block}: antialias is {antialias!r}; give true or false")
        return cls(
            spacing=_triple(block, "spacing", values["spacing"], float),
            size=_triple(block, "size", values["size"], int),
            crop=_choice(block, "crop", values.get("crop", cls.crop), CROPS),
            antialias=antialias,
            label=_choice(block, "label", values.get("label", cls.label), LABEL_METHODS),
            normalisation=Normalisation.from_dict(values.get("normalisation", {})),
            restoration=_choice(
                block, "restoration", values.get("restoration", cls.restoration), RESTORATIONS
            ),
        )

"""What a user sets about preprocessing, checked once and frozen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Literal, Self

from dicegrad.errors import InputError

CROPS = ("center", "snap", "label", "foreground")
TIES = ("background", "shared")
AS_IS = "as-is"
ORIENTATIONS = (AS_IS, "RAS")
LABEL_METHODS = ("distance", "linear")
NORMALISE_OVER = ("whole", "nonzero")
WINDOW = "window"  # of what is known of the data set, over no voxels of the image
RESTORATIONS = ("linear", "nearest")
Spacing = float | Literal["native"]


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


def _spacing(block: str, value: Any) -> tuple[Spacing, Spacing, Spacing]:  # noqa: ANN401
    """Three positive numbers, or the word `native` in place of one."""
    try:
        x, y, z = map(_native_or_positive, value)
    except (TypeError, ValueError):
        raise InputError(
            f"{block}: spacing is {value!r}; give three positive numbers, as [x, y, z], or the "
            "word native in place of one"
        ) from None
    return x, y, z


def _native_or_positive(value: Any) -> Spacing:  # noqa: ANN401
    if value == "native":
        return "native"
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _offset(block: str, value: Any) -> tuple[float, float, float]:  # noqa: ANN401
    try:
        x, y, z = map(float, value)
        known = all(map(math.isfinite, (x, y, z)))
    except (TypeError, ValueError):
        known = False
    if not known:
        raise InputError(f"{block}: offset is {value!r}; give three numbers of mm, as [x, y, z]")
    return x, y, z


def _flag(block: str, key: str, value: Any) -> bool:  # noqa: ANN401
    if not isinstance(value, bool):
        raise InputError(f"{block}: {key} is {value!r}; give true or false")
    return value


@dataclass(frozen=True)
class Normalisation:
    """How intensities are brought to mean 0 and standard deviation 1.

    Attributes:
        over: The voxels that the mean and the standard deviation are taken over. ``whole``: all of
            the network grid, where what lies outside the image counts as 0. ``nonzero``: those of
            the whole image, resampled to the network's spacing, that are not 0; the others stay 0.
            ``window`` where there is a window: none.
        clip: Cumulative probabilities (low, high) of the quantiles that intensities are clipped to
            beforehand, or None.
        window: Intensities (low, high) that every image is clipped to, as nnU-Net does for CT,
            whose numbers mean the same in every image; then ``mean`` and ``std`` are those of the
            data set, and what lies outside the image is ``low``. Or None.
        mean: What is subtracted then.
        std: What it is divided by then.
    """

    over: str = "nonzero"
    clip: tuple[float, float] | None = None
    window: tuple[float, float] | None = None
    mean: float | None = None
    std: float | None = None

    @property
    def of_grid(self) -> bool:
        """Whether intensities depend on where the network's grid lies in the image."""
        return self.over == "whole"

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
        given = {key for key, value in values.items() if value is not None}
        if "window" not in given:
            if alone := sorted(given & {"mean", "std"}):
                raise InputError(f"{block}: {alone[0]} needs a window; add it, or leave it out")
            return cls(_choice(block, "over", values.get("over", cls.over), NORMALISE_OVER), clip)
        if clip or values.get("over", WINDOW) != WINDOW:
            key = "clip" if clip else "over"
            raise InputError(f"{block}: {key} and window exclude each other; leave one out")
        return cls(WINDOW, None, *_window(block, values))


def _window(block: str, values: Mapping[str, Any]) -> tuple[tuple[float, float], float, float]:
    """The window, and the mean and standard deviation that go with it."""
    try:
        low, high = map(float, values["window"])
        mean, std = float(values["mean"]), float(values["std"])
    except (KeyError, TypeError, ValueError):
        low = high = mean = std = 0.0
    if not (low < high and std > 0):
        raise InputError(
            f"{block}: window needs numbers, as in window: [-160, 240], mean: 60, std: 50; it is "
            f"{values['window']!r}, with mean {values.get('mean')!r} and std {values.get('std')!r}"
        )
    return (low, high), mean, std


@dataclass(frozen=True)
class Preprocessing:
    """From the original image to the network's grid, and back.

    Attributes:
        spacing: Voxel size of the network grid in mm, along the axes (x, y, z) that `orientation`
            leaves. The word ``native`` keeps the image's own along that axis, each case its own.
        size: Number of voxels of the network grid along (x, y, z).
        orientation: ``as-is``: the axes are the image's own, whatever they are. ``RAS``: they are
            put in the order, and reversed, so that they run to the patient's right, front and head
            in every case; predictions come out on the image's own voxels all the same.
        crop: Where the network grid lies: on the ``center`` of the volume (the paper's), there but
            with its voxels on those of the image (``snap``), on the centre of mass of the true
            ``label`` (an oracle), or on that of the non-zero ``foreground``; see `network_grid`.
        antialias: Whether images (and ``linear`` labels) are smoothed before they are downsampled.
        label: How label maps are resampled: signed ``distance`` maps or ``linear``.
        align: Whether a label map that lies on other voxels than its image is resampled to those of
            the image (the nearest value). If not, such a case is refused.
        ties: Which class a voxel half-way between two gets. ``background``: as in the paper (with
            ``label: linear`` it is the class). ``shared``: both in turn. Where it is not given,
            ``shared`` for ``crop: snap`` and ``background`` for the others.
        allow_lost: Whether a class may be in a case's label and in no voxel of the grid. If not,
            preparation stops and names the case.
        normalisation: See `Normalisation`.
        restoration: How probabilities return to the original grid: ``linear`` or ``nearest``.
        offset: For the crops ``center`` and ``snap``, how many mm along (x, y, z) the middle of the
            grid lies off that of the volume.
    """

    spacing: tuple[Spacing, Spacing, Spacing]
    size: tuple[int, int, int]
    crop: str = "center"
    antialias: bool = True
    label: str = "distance"
    align: bool = False
    ties: str = "background"
    allow_lost: bool = False
    normalisation: Normalisation = Normalisation()
    restoration: str = "linear"
    orientation: str = AS_IS
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

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
        crop = _choice(block, "crop", values.get("crop", cls.crop), CROPS)
        orientation = values.get("orientation", cls.orientation)
        ties = values.get("ties", "shared" if crop == "snap" else "background")
        return cls(
            spacing=_spacing(block, values["spacing"]),
            size=_triple(block, "size", values["size"], int),
            crop=crop,
            antialias=_flag(block, "antialias", values.get("antialias", cls.antialias)),
            label=_choice(block, "label", values.get("label", cls.label), LABEL_METHODS),
            align=_flag(block, "align", values.get("align", cls.align)),
            ties=_choice(block, "ties", ties, TIES),
            allow_lost=_flag(block, "allow_lost", values.get("allow_lost", cls.allow_lost)),
            normalisation=Normalisation.from_dict(values.get("normalisation", {})),
            restoration=_choice(
                block, "restoration", values.get("restoration", cls.restoration), RESTORATIONS
            ),
            orientation=_choice(block, "orientation", orientation, ORIENTATIONS),
            offset=_offset(block, values.get("offset", cls.offset)),
        )

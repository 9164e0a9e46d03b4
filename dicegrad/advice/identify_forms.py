"""The family of losses that `identify` can name, as terms whose weighted sum is the loss.

A loss of the family is ``offset - sum_k weight_k F_k + sum_j factor_j H_j``. F are the parts of
the mean Tversky ratio (I + n) / ((1 - a - b) I + a P + b T + d), which is Dice (Eq. 3) for
a = b = 1/2 and Jaccard for a = b = 1; H are parts of cross-entropy or focal loss, and of the
exclusion loss where there is one. Everything is linear but n, d, a, b, the floor of the denominator
and the focal exponent.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dicegrad.advice.identify_exclusion import exclusion_terms
from dicegrad.advice.identify_probes import Array, Probe

# What becomes of a subset without a true voxel.
MODES = (
    "counted",  # as any other
    "zeroed",  # its loss is 0, but the mean counts it
    "leaf",  # its Dice is 0, without a gradient
    "dropped",  # left out of the mean over all subsets
    "dropped_per_image",  # left out of the mean over the classes of its image
    "dropped_per_class",  # left out of the mean over the images of its class
    "merged",  # its prediction joins that of the background: marginal Dice
)


@dataclass(frozen=True)
class Form:
    """One member of the family.

    Attributes:
        activation: "softmax", "sigmoid" or None.
        phi: "I", "CI", "BI" or "BCI".
        norm: "l1" or "l2".
        shape: "dice", "jaccard", "tversky", "generalized-square" or "generalized-simple".
        reduction: "mean" or "sum" over the subsets, and over the voxels for cross-entropy.
        mode: One of `MODES`.
        classes: Channels that the Dice part reduces over.
        above: n, the smoothing term of the numerator, in the units of I.
        below: d, that of the denominator.
        floor: Lowest value of the denominator, 0 if none; of the generalised Dice, that of the
            denominator of each class.
        alpha: a, factor of the false positives.
        beta: b, factor of the false negatives.
        gamma: Exponent of the focal part; None if the rest is cross-entropy.
        entropy: Whether there may be a cross-entropy or focal part; a metric has none.
        exclusion: Whether there may be an exclusion part.
        single: Whether the loss adds up in float32, and small derivatives are rounding.
    """

    activation: str | None
    phi: str
    norm: str = "l1"
    shape: str = "dice"
    reduction: str = "mean"
    mode: str = "counted"
    classes: tuple[int, ...] = (0, 1, 2, 3)
    above: float = 0.0
    below: float = 0.0
    floor: float = 0.0
    alpha: float = 0.5
    beta: float = 0.5
    gamma: float | None = None
    entropy: bool = True
    exclusion: bool = False
    single: bool = False


@dataclass(frozen=True)
class Terms:
    """F and H of one probe, one row each: values (K,) and gradients by p, (K, B, C, N)."""

    values: Array
    slopes: Array
    dice: int  # so many of them, the first, are F
    exclusion: int  # and so many, the last, are parts of the exclusion loss
    scale: float  # of the offset: 1, or the number of batch elements of a sum


def terms(form: Form, probe: Probe, voxels: Array | slice = slice(None)) -> Terms:
    """The terms of a form on a probe, their gradients at some voxels."""
    p, y = probe.probabilities(form.activation), probe.truth
    values, slopes, scale = _dice_terms(form, p, y, voxels)
    parts, dice, apart = [(values, np.stack(slopes))], len(values), 0
    depends: tuple
    if form.entropy:
        make = _entropy_terms if form.gamma is None else _focal_terms
        depends = (form.activation, form.reduction, form.gamma)
        parts.append(_kept(probe, "entropy", depends, lambda: make(form, p, y), voxels))
    if form.exclusion:
        depends = (form.activation,)
        parts.append(_kept(probe, "exclusion", depends, lambda: exclusion_terms(p, y), voxels))
        apart = len(parts[-1][0])
    found = [each for each, _ in parts]
    return Terms(np.concatenate(found), np.concatenate([s for _, s in parts]), dice, apart, scale)


def _kept(
    probe: Probe,
    name: str,
    depends: tuple,
    make: Callable[[], list[tuple[float, Array]]],
    voxels: Array | slice,
) -> tuple[list[float], Array]:
    """Terms that no fitted number changes, computed once for a probe."""
    if probe.kept.get(name, (None,))[0] != depends:
        made = make()
        probe.kept[name] = depends, [value for value, _ in made], np.stack([s for _, s in made])
    _, values, slopes = probe.kept[name]
    return values, slopes[..., voxels]


def through_activation(slope: Array, p: Array, activation: str | None) -> Array:
    """From derivatives by p to derivatives by what the loss was given; axes (..., B, C, N)."""
    if activation == "sigmoid":
        return slope * p * (1 - p)
    if activation == "softmax":
        return p * (slope - (slope * p).sum(-2, keepdims=True))
    return slope


def _dice_terms(
    form: Form, p: Array, y: Array, voxels: Array | slice
) -> tuple[list[float], list[Array], float]:
    present = y.sum(2) > 0  # (B, C)
    kept = present | (np.arange(y.shape[1]) == 0)
    merged = form.mode == "merged"
    seen = p
    if merged:
        seen = p * kept[..., None]
        seen[:, 0] += (p * ~kept[..., None]).sum(1)
    chosen = list(form.classes)
    spread = _weights(form, y[:, chosen])
    ratio, by_overlap, by_volume, absent = _ratios(form, seen[:, chosen], y[:, chosen], spread)
    weight, ratio, gone = _mean(form, ratio, absent)
    by_overlap = np.where(gone, 0, by_overlap) * weight * spread
    by_volume = np.where(gone, 0, by_volume) * weight * spread
    here, truth = seen[..., voxels], y[..., voxels]
    value = weight * ratio
    scale = float(ratio.shape[0] if form.reduction == "sum" else 1)
    slopes = []
    for number, c in enumerate(chosen):
        slope = np.zeros_like(here)
        volume = 2 * here[:, c] if form.norm == "l2" else 1.0
        slope[:, c] = (
            truth[:, c] * by_overlap[:, number, None] + volume * by_volume[:, number, None]
        )
        if merged and c == 0:
            slope = np.where(kept[..., None], slope, slope[:, :1])
        elif merged:
            slope *= kept[..., None]
        slopes.append(slope)
    if "C" in form.phi:
        return [float(value.sum())], [np.sum(slopes, axis=0)], scale
    return [float(v) for v in value.sum(0)], slopes, scale


def _ratios(form: Form, p: Array, y: Array, spread: Array) -> tuple[Array, Array, Array, Array]:
    """Ratio of each subset, its derivatives by I and by P, and which have no true voxel."""
    sums = np.stack([(p * y).sum(2), (p if form.norm == "l1" else p * p).sum(2), y.sum(2)])
    if "B" in form.phi:
        sums = sums.sum(1, keepdims=True)
    rest = 1 - form.alpha - form.beta
    cut, lift = np.array(False), np.array(0.0)
    if form.floor and form.shape.startswith("generalized"):
        lack = form.floor - (rest * sums[0] + form.alpha * sums[1] + form.beta * sums[2])
        cut = lack > 0
        lift = (spread * np.maximum(lack, 0))[: sums.shape[1]].sum(1, keepdims=True)
    sums = sums * spread[: sums.shape[1]]
    if "C" in form.phi:
        sums = sums.sum(2, keepdims=True)
    overlap, volume, true = sums
    top = overlap + form.above
    bottom = rest * overlap + form.alpha * volume + form.beta * true + form.below + lift
    if not form.shape.startswith("generalized"):
        cut = bottom < form.floor
        bottom = np.maximum(bottom, form.floor)
    bottom = np.maximum(bottom, 1e-150)
    by_overlap = 1 / bottom - np.where(cut, 0, rest * top / bottom**2)
    by_volume = np.where(cut, 0, -form.alpha * top / bottom**2)
    return top / bottom, by_overlap, by_volume, true == 0


def _mean(form: Form, ratio: Array, absent: Array) -> tuple[Array, Array, Array]:
    """Weight of each subset in the mean, its ratio, and whether it has no gradient."""
    images, classes = ratio.shape
    present = ~absent
    weight = np.full(ratio.shape, 1.0 if form.reduction == "sum" else 1 / (images * classes))
    if form.mode == "counted":
        return weight, ratio, np.zeros_like(absent)
    if form.mode == "dropped":
        weight = present / max(present.sum(), 1)
    elif form.mode == "dropped_per_image":
        weight = present / np.maximum(present.sum(1, keepdims=True), 1) / images
    elif form.mode == "dropped_per_class":
        there = max((present.any(0)).sum(), 1)
        weight = present / np.maximum(present.sum(0, keepdims=True), 1) / there
    elif form.mode == "merged":
        absent = absent.copy()
        absent[:, 0] = False
    filled = 1.0 if form.mode == "zeroed" else 0.0
    return weight, np.where(absent, filled, ratio), absent


def _weights(form: Form, y: Array) -> Array:
    """Class weights of the generalised Dice, 1 / volume^2 or 1 / volume; ones for the others."""
    true = y.sum(2)
    if not form.shape.startswith("generalized"):
        return np.ones_like(true)
    if "B" in form.phi:
        true = np.broadcast_to(true.sum(0, keepdims=True), true.shape)
    power = 2 if form.shape.endswith("square") else 1
    with np.errstate(divide="ignore"):
        weight = 1.0 / true**power
    finite = np.where(np.isfinite(weight), weight, 0)
    return np.where(np.isfinite(weight), weight, finite.max(1, keepdims=True))


def _entropy_terms(form: Form, p: Array, y: Array) -> list[tuple[float, Array]]:
    """Cross-entropy: of each label over a distribution, and of each channel by itself."""
    batch, channels, n = p.shape
    p = np.clip(p, 1e-300, None)
    voxels = batch * n if form.reduction == "mean" else 1
    maps = voxels * channels if form.reduction == "mean" else 1
    parts = []
    if form.activation == "sigmoid" or channels == 1:
        parts.append((-(y * np.log(p)).sum() / maps, -y / p / maps))
    else:
        for c in range(channels):
            slope = np.zeros_like(p)
            slope[:, c] = -y[:, c] / p[:, c] / voxels
            parts.append((-(y[:, c] * np.log(p[:, c])).sum() / voxels, slope))
    if form.activation != "softmax":
        rest = np.clip(1 - p, 1e-300, None)
        parts.append((-((1 - y) * np.log(rest)).sum() / maps, (1 - y) / rest / maps))
    return [(float(value), slope) for value, slope in parts]


def _focal_terms(form: Form, p: Array, y: Array) -> list[tuple[float, Array]]:
    """-(1 - q)^gamma log q, q the probability of the label: of background, of foreground, of 0s."""
    batch, channels, n = p.shape
    maps = batch * channels * n if form.reduction == "mean" else 1
    gamma = form.gamma or 0.0

    def part(chosen: Array, q: Array, sign: float) -> tuple[float, Array]:
        q = np.clip(q, 1e-300, 1)
        rest = 1 - q
        value = -(rest**gamma) * np.log(q)
        slope = gamma * rest ** (gamma - 1) * np.log(q) - rest**gamma / q
        return float((chosen * value).sum() / maps), sign * chosen * slope / maps

    if form.activation == "sigmoid" or channels == 1:
        return [part(y, p, 1.0), part(1 - y, 1 - p, -1.0)]
    first = np.arange(channels)[:, None] == 0
    return [part(y * first, p, 1.0), part(y * ~first, p, 1.0)]

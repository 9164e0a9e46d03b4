"""Intensities with mean 0 and standard deviation 1."""

from types import EllipsisType

import numpy as np

from dicegrad.preprocessing.settings import Normalisation

# An image that normalisation brings to one value in this share of its voxels has lost its contrast:
# noise alone keeps those of a real one apart.
_FLAT = 0.999
_SAMPLE = 10_000  # voxels that settle it for nearly all images
_ROUNDING = 1e-6  # what interpolation in float32 makes of one value, relative to it

Block = tuple[slice, ...] | EllipsisType


def normalise(
    volume: np.ndarray, mask: np.ndarray, settings: Normalisation, block: Block = ...
) -> np.ndarray:
    """Clip a resampled image if the settings say so, and scale it to mean 0 and deviation 1.

    With a window, the mean and the deviation are those of the data set, not of the image.

    Args:
        volume: (X, Y, Z) float32.
        mask: (X, Y, Z) bool, what lies inside the original image.
        settings: What the mean is taken over, and the quantiles that are clipped to.
        block: The part of the volume that quantiles, mean and deviation are those of; all of the
            volume is changed.

    Returns:
        (X, Y, Z) float32.
    """
    if settings.window is not None:
        low, high = settings.window
        mean, std = settings.mean or 0.0, settings.std or 1.0
        known = np.where(mask, np.clip(volume, low, high), low)
        return ((known - np.float32(mean)) / np.float32(std)).astype(np.float32)
    if settings.clip is not None:
        volume = clip_quantiles(volume, mask, settings.clip, block)
    return zscore(volume, settings.over, block)


def clip_quantiles(
    volume: np.ndarray, mask: np.ndarray, clip: tuple[float, float], block: Block = ...
) -> np.ndarray:
    """Clip to two quantiles of the voxels of a block inside the mask; outside the mask becomes 0.

    The quantiles are MATLAB's: the i-th of n sorted values has probability (i - 0.5) / n.
    """
    low, high = np.quantile(volume[block][mask[block]], clip, method="hazen").tolist()
    return np.where(mask, np.clip(volume, low, high), np.float32(0))


def zscore(volume: np.ndarray, over: str, block: Block = ...) -> np.ndarray:
    """Subtract the mean and divide by the standard deviation (of n - 1 degrees of freedom).

    Args:
        volume: (X, Y, Z) float32.
        over: ``whole``: all voxels are counted and all are changed, so what lies outside becomes
            -mean / std. ``nonzero``: only those are counted and changed, the others stay 0.
        block: The part of the volume whose voxels are counted.

    Returns:
        (X, Y, Z) float32. A volume without contrast becomes 0.
    """
    if over == "whole":
        chosen, values = np.ones(volume.shape, bool), volume[block]
    else:
        chosen = volume != 0
        values = volume[block][chosen[block]]
    if values.size < 2:
        return np.zeros_like(volume)
    mean = values.mean(dtype=np.float64)
    std = values.std(dtype=np.float64, ddof=1)
    if std == 0:
        return np.zeros_like(volume)
    return np.where(chosen, (volume - np.float32(mean)) / np.float32(std), np.float32(0))


def lost_contrast(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> str:
    """What the network cannot see of an image, in words.

    Args:
        before: (X, Y, Z) float32, resampled, on the network's grid.
        after: (X, Y, Z) float16, the same normalised.
        mask: (X, Y, Z) bool, what lies inside the original image.

    Returns:
        A line where all voxels have one value but for rounding, or where normalisation brought 999
        of 1000 to one; else empty.
    """
    doubt = ""
    for step in (max(1, round((before.size / _SAMPLE) ** (1 / 3))), 1):
        one, two, inside = (each[::step, ::step, ::step] for each in (before, after, mask))
        doubt = _doubt(one[inside], two[inside])
        if not doubt:
            break
    return doubt


def _doubt(before: np.ndarray, after: np.ndarray) -> str:
    """The same for some voxels, (N,) each."""
    if not before.size:
        return ""
    low, high = float(before.min()), float(before.max())
    if high - low <= _ROUNDING * max(abs(low), abs(high)):
        return (
            f"has no contrast on the grid, where every voxel is {low:g}; see that the crop lies in "
            "the image, or replace the image"
        )
    # The mask of something small has nearly one value by itself.
    if _share_of_commonest(after) < _FLAT or _share_of_commonest(before) >= _FLAT:
        return ""
    return (
        f"has one value in 999 of 1000 voxels after normalisation, and goes from {low:g} to "
        f"{high:g} on the grid; correct single voxels far from all others, or the settings of "
        "preprocessing.normalisation"
    )


def _share_of_commonest(values: np.ndarray) -> float:
    """The share of voxels with one value, if it is more than half; else some smaller share."""
    middle = np.partition(values.astype(np.float32), values.size // 2)[values.size // 2]
    return float((values == middle).mean())

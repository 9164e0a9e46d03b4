"""Intensities with mean 0 and standard deviation 1."""

import numpy as np

from dicegrad.preprocessing.settings import Normalisation


def normalise(volume: np.ndarray, mask: np.ndarray, settings: Normalisation) -> np.ndarray:
    """Clip a resampled image if the settings say so, and scale it to mean 0 and deviation 1.

    With a window, the mean and the deviation are those of the data set, not of the image.

    Args:
        volume: (X, Y, Z) float32.
        mask: (X, Y, Z) bool, what lies inside the original image.
        settings: What the mean is taken over, and the quantiles that are clipped to.

    Returns:
        (X, Y, Z) float32.
    """
    if settings.window is not None:
        low, high = settings.window
        mean, std = settings.mean or 0.0, settings.std or 1.0
        known = np.where(mask, np.clip(volume, low, high), low)
        return ((known - np.float32(mean)) / np.float32(std)).astype(np.float32)
    if settings.clip is not None:
        volume = clip_quantiles(volume, mask, settings.clip)
    return zscore(volume, settings.over)


def clip_quantiles(volume: np.ndarray, mask: np.ndarray, clip: tuple[float, float]) -> np.ndarray:
    """Clip to two quantiles of the voxels inside the mask; outside becomes 0.

    The quantiles are MATLAB's: the i-th of n sorted values has probability (i - 0.5) / n.
    """
    low, high = np.quantile(volume[mask], clip, method="hazen").tolist()
    return np.where(mask, np.clip(volume, low, high), np.float32(0))


def zscore(volume: np.ndarray, over: str) -> np.ndarray:
    """Subtract the mean and divide by the standard deviation (of n - 1 degrees of freedom).

    Args:
        volume: (X, Y, Z) float32.
        over: ``whole``: all voxels are counted and all are changed, so what lies outside becomes
            -mean / std. ``nonzero``: only those are counted and changed, the others stay 0.

    Returns:
        (X, Y, Z) float32. A volume without contrast becomes 0.
    """
    if over == "whole":
        chosen, values = np.ones(volume.shape, bool), volume
    else:
        chosen = volume != 0
        values = volume[chosen]
    if values.size < 2:
        return np.zeros_like(volume)
    mean = values.mean(dtype=np.float64)
    std = values.std(dtype=np.float64, ddof=1)
    if std == 0:
        return np.zeros_like(volume)
    return np.where(chosen, (volume - np.float32(mean)) / np.float32(std), np.float32(0))

"""The exclusion term of Shi et al., as one part per class."""

import numpy as np

from dicegrad.advice.identify_probes import Array


def exclusion_terms(p: Array, y: Array) -> list[tuple[float, Array]]:
    """Dice(p, 1 - y) of each class, its mean over the images divided by the foreground classes.

    Their sum over the foreground is `dicegrad.losses.exclusion`, which is added to a loss.

    Args:
        p: Probabilities (B, C, N).
        y: One map per class, of the same shape.

    Returns:
        For each channel, the value and its derivatives by p.
    """
    images, channels, voxels = p.shape
    share = images * max(channels - 1, 1)
    top = 2 * (p * (1 - y)).sum(2)
    bottom = p.sum(2) + voxels - y.sum(2)
    parts = []
    for c in range(channels):
        above, below = top[:, c, None], bottom[:, c, None]
        slope = np.zeros_like(p)
        slope[:, c] = (2 * (1 - y[:, c]) * below - above) / below**2 / share
        parts.append((float((above / below).sum()) / share, slope))
    return parts

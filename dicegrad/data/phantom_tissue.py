"""What both phantoms are made of: smooth random fields, tissue contrast, the scanner's touch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Volumes:
    """One phantom case on one voxel grid.

    Attributes:
        images: Channel name to image, each (X, Y, Z) int16.
        label: Label map (X, Y, Z) uint8, in the real dataset's values.
        affine: (4, 4) voxel to world in mm, RAS+ as NIfTI has it.
    """

    images: Mapping[str, np.ndarray]
    label: np.ndarray
    affine: np.ndarray


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float | tuple[float, ...]
) -> np.ndarray:
    """Draw a smooth random field with mean 0 and standard deviation 1.

    Args:
        rng: Source of randomness.
        shape: (X, Y, Z).
        sigma: Gaussian smoothing in voxels, per axis or one for all.
    """
    from scipy.ndimage import gaussian_filter  # slow to import, and needed only here

    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="nearest")
    return (field - field.mean()) / field.std()


def acquire(
    rng: np.random.Generator,
    clean: np.ndarray,
    blur: float | tuple[float, ...],
    bias: float,
    noise: float,
) -> np.ndarray:
    """Turn a clean image into one as a scanner gives it: blurred, shaded, noisy, whole numbers.

    Args:
        rng: Source of randomness.
        clean: (X, Y, Z), any intensity unit.
        blur: Gaussian point spread in voxels.
        bias: Relative strength of the smooth shading, e.g. 0.05.
        noise: Standard deviation of the noise, in the image's unit.

    Returns:
        (X, Y, Z) int16, at least 0.
    """
    from scipy.ndimage import gaussian_filter  # as above

    image = gaussian_filter(clean, blur, mode="nearest")
    image = image * (1 + bias * smooth_field(rng, clean.shape, tuple(n / 4 for n in clean.shape)))
    image = image + noise * rng.standard_normal(clean.shape)
    return np.clip(np.rint(image), 0, np.iinfo(np.int16).max).astype(np.int16)

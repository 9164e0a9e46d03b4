"""A brain with a tumor in the four modalities of BRATS.

High grade (HGG): a dark necrotic core in a bright enhancing ring, edema around it. Low grade
(LGG): the same outline, homogeneous, without core or ring. So the groups can be told apart from a
few voxels, which is what a batch-wise Dice loss needs to learn that one of them is to be empty.
A healthy brain has no tumor, and its label is truly empty.
"""

import numpy as np

from dicegrad.data.brats import CHANNELS
from dicegrad.data.phantom_tissue import Volumes, acquire, smooth_field

# The anatomy is drawn in a field of this size in mm and scaled to the grid, whatever its shape.
FIELD = (48.0, 48.0, 24.0)
HEALTHY = "healthy"
# Signal relative to the brightest tissue. The columns: grey and white matter, fluid, necrosis,
# edema, enhancing tumor, core and edge of an LGG.
SIGNAL = {
    "flair": (0.42, 0.36, 0.12, 0.50, 0.86, 0.92, 0.98, 0.94),
    "t1": (0.52, 0.68, 0.20, 0.16, 0.36, 0.42, 0.38, 0.40),
    "t1ce": (0.50, 0.64, 0.20, 0.10, 0.36, 1.00, 0.36, 0.38),
    "t2": (0.44, 0.34, 0.80, 0.74, 0.84, 0.66, 1.00, 0.94),
}
SCALE = {"flair": 700.0, "t1": 900.0, "t1ce": 1100.0, "t2": 800.0}


def tumor_group(index: int) -> str:
    """Return the grade of subject ``index`` (from 0); of any n subjects round(n / 3) are LGG."""
    return "LGG" if index % 3 == 1 else "HGG"


def draw_tumor(
    rng: np.random.Generator, group: str, shape: tuple[int, int, int] = (48, 48, 24)
) -> Volumes:
    """Draw one subject.

    Args:
        rng: Source of randomness, this subject's alone.
        group: ``HGG``, ``LGG`` or ``healthy``.
        shape: Voxels (X, Y, Z), 1 mm each as in BRATS.

    Returns:
        Images flair, t1, t1ce, t2, zero outside the brain; labels 0 background, 1 necrosis or
        non-enhancing tumor, 2 edema, 4 enhancing tumor.
    """
    xyz = _coordinates(shape)
    depth, semi_axes = _brain(rng, xyz)
    brain = depth < 1
    radius = _tumor_radius(rng, xyz, semi_axes)
    tumor = (radius < 1) & (depth < 0.97)
    tissue = np.where(depth > 0.80, 0, 1)
    tissue[_ventricles(rng, xyz, semi_axes)] = 2
    label = np.zeros(shape, np.uint8)
    parts: tuple[tuple[float, int, int], ...] = ()
    if group == HEALTHY:
        parts = ()
    elif group == "HGG":
        parts = ((1.0, 4, 2), (0.80, 5, 4), (0.54, 3, 1))
    else:
        parts = ((1.0, 7, 2), (0.75, 6, 1))
    for limit, index, value in parts:
        inside = tumor & (radius < limit)
        tissue[inside], label[inside] = index, value
    images = {
        channel: np.where(brain, _image(rng, channel, tissue, brain), 0).astype(np.int16)
        for channel in CHANNELS
    }
    # BRATS: 1 mm, axes to the left and the front-to-back as in its own headers (LPS, RAS is -1).
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[1, 3] = shape[1] - 1
    return Volumes(images, label, affine)


def _coordinates(shape: tuple[int, int, int]) -> np.ndarray:
    """Return (3, X, Y, Z) positions of the voxel centres in the field, mm from its centre."""
    axes = [(np.arange(n) + 0.5) * (f / n) - f / 2 for n, f in zip(shape, FIELD, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def _brain(rng: np.random.Generator, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the depth (0 at the centre, 1 at the surface) and the semi-axes in mm."""
    semi_axes = np.array([18.5, 21.5, 11.0]) * rng.uniform(0.95, 1.05, 3)
    depth = np.sqrt(((xyz / semi_axes[:, None, None, None]) ** 2).sum(0))
    folds = smooth_field(rng, depth.shape, _voxels(depth.shape, 1.6))
    return depth + 0.02 * folds, semi_axes


def _ventricles(rng: np.random.Generator, xyz: np.ndarray, semi_axes: np.ndarray) -> np.ndarray:
    """Return the mask of two fluid-filled horns beside the midline."""
    half = semi_axes * np.array([0.11, 0.36, 0.38]) * rng.uniform(0.85, 1.15)
    inside = np.zeros(xyz.shape[1:], bool)
    for side in (-1, 1):
        centre = np.array([side * 0.17 * semi_axes[0], 0.05 * semi_axes[1], 0.0])
        inside |= _ellipsoid(xyz, centre, half) < 1
    return inside


def _tumor_radius(rng: np.random.Generator, xyz: np.ndarray, semi_axes: np.ndarray) -> np.ndarray:
    """Return the relative distance from the tumor's middle: 1 at its irregular outline."""
    size = rng.uniform(8.0, 10.5)
    angle = rng.uniform(0, 2 * np.pi)
    reach = rng.uniform(0.30, 0.50)
    middle = (
        np.array([reach * np.cos(angle), reach * np.sin(angle), rng.uniform(-0.15, 0.15)])
        * semi_axes
    )
    # A soft minimum over a few ellipsoids joins them without creases.
    lobes = []
    for lobe in range(3):
        away = 0.0 if lobe == 0 else 0.40 * size
        centre = middle + away * rng.uniform(-1, 1, 3) * np.array([1.0, 1.0, 0.5])
        half = size * (1.0 if lobe == 0 else 0.75) * rng.uniform(0.8, 1.1, 3)
        half[2] *= 0.75
        lobes.append(_ellipsoid(xyz, centre, half))
    radius = -np.log(np.exp(-6 * np.stack(lobes)).sum(0)) / 6 + 0.08
    return radius + 0.05 * smooth_field(rng, radius.shape, _voxels(radius.shape, 2.5))


def _ellipsoid(xyz: np.ndarray, centre: np.ndarray, half: np.ndarray) -> np.ndarray:
    offset = (xyz - centre[:, None, None, None]) / half[:, None, None, None]
    return np.sqrt((offset**2).sum(0))


def _voxels(shape: tuple[int, ...], millimetres: float) -> tuple[float, ...]:
    """Convert a length in the field to voxels per axis."""
    return tuple(millimetres * n / f for n, f in zip(shape, FIELD, strict=True))


def _image(
    rng: np.random.Generator, channel: str, tissue: np.ndarray, brain: np.ndarray
) -> np.ndarray:
    """Return one modality, at least 1 within the brain so that zero means outside."""
    scale = SCALE[channel] * rng.uniform(0.85, 1.15)
    texture = 0.03 * smooth_field(rng, tissue.shape, _voxels(tissue.shape, 1.2))
    clean = np.where(brain, np.take(SIGNAL[channel], tissue) + texture, 0.0) * scale
    return np.maximum(acquire(rng, clean, blur=0.5, bias=0.04, noise=0.03 * scale), 1)

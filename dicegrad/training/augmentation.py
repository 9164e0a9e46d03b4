"""Random deformations and intensities, on whole batches, on the device that holds them.

Affine, elastic and flip are composed into one sampling grid, so an image is interpolated once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dicegrad.errors import InputError

Triple = tuple[float, float, float]

# The elastic field of the paper's code: white noise on 30 knots an axis, padded by 5 zeros at
# both ends and smoothed with a Gaussian of 6 knots.
_KNOTS, _PADDING, _SIGMA = 30, 5, 6.0


@dataclass(frozen=True)
class AugmentationSettings:
    """How strongly a training case is augmented; zero everywhere means not at all.

    Attributes:
        distribution: What widths mean: `normal` (a standard deviation) or `uniform` (a half-width).
        rotation: Width of the rotation about the x, y and z axis in radians.
        translation: Width of the shift along x, y and z in voxels.
        scaling: Width of the change of size along x, y and z as a fraction.
        elastic: Standard deviation of the elastic shift along x, y and z in voxels.
        flip: Probability of mirroring x, y and z.
        intensity_shift: Standard deviation of the number added to a whole image.
        intensity_scale: Standard deviation around 1 of the factor on a whole image.
        noise: Standard deviation of the noise added to every voxel.
    """

    distribution: str = "normal"
    rotation: Triple = (0.0, 0.0, 0.0)
    translation: Triple = (0.0, 0.0, 0.0)
    scaling: Triple = (0.0, 0.0, 0.0)
    elastic: Triple = (0.0, 0.0, 0.0)
    flip: Triple = (0.0, 0.0, 0.0)
    intensity_shift: float = 0.0
    intensity_scale: float = 0.0
    noise: float = 0.0
    moves: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        if self.distribution not in ("normal", "uniform"):
            raise InputError(
                f"augmentation: distribution is {self.distribution!r}; allowed: normal, uniform"
            )
        moving = (self.rotation, self.translation, self.scaling, self.elastic, self.flip)
        object.__setattr__(self, "moves", any(any(triple) for triple in moving))

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "AugmentationSettings":
        """Settings from the `training.augmentation` block of a dataset file."""
        known = [f.name for f in fields(cls) if f.init]
        if unknown := sorted(set(settings) - set(known)):
            raise InputError(
                f"augmentation: unknown key {unknown[0]!r}; allowed: {', '.join(known)}"
            )
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in settings.items()
        }
        return cls(**values)


def augment(
    image: Tensor, label: Tensor, settings: AugmentationSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A random variation of a batch.

    Args:
        image: (B, C, X, Y, Z) float32. Outside it is 0.
        label: (B, X, Y, Z) uint8, sampled at the nearest voxel; outside is 0 (background).
        settings: How strongly to augment.
        generator: Source of randomness, on the device of the image.

    Returns:
        Image and label of the same shapes and types.
    """
    if settings.moves:
        grid = _sampling_grid(image, settings, generator)
        image = functional.grid_sample(image, grid, mode="bilinear", align_corners=True)
        moved = functional.grid_sample(
            label[:, None].to(image.dtype), grid, mode="nearest", align_corners=True
        )
        label = moved[:, 0].to(label.dtype)
    shape = (len(image), 1, 1, 1, 1)
    if settings.intensity_shift:
        image = image + settings.intensity_shift * _normal(shape, image, generator)
    if settings.intensity_scale:
        image = image * (1 + settings.intensity_scale * _normal(shape, image, generator))
    if settings.noise:
        image = image + settings.noise * _normal(image.shape, image, generator)
    return image, label


def _sampling_grid(
    image: Tensor, settings: AugmentationSettings, generator: torch.Generator
) -> Tensor:
    """Where each output voxel is sampled, (B, X, Y, Z, 3), in grid_sample's z, y, x and [-1, 1]."""
    batch, size = len(image), tuple(image.shape[2:])
    half = _constant(tuple(max(n - 1, 1) / 2 for n in size), image.device)

    def draw(widths: Triple) -> Tensor:
        width = _constant(widths, image.device)
        if settings.distribution == "normal":
            return width * _normal((batch, 3), image, generator)
        return width * (2 * torch.rand((batch, 3), generator=generator, device=image.device) - 1)

    rotation = _rotation(draw(settings.rotation))
    matrix = rotation / (1 + draw(settings.scaling))[:, None, :]
    # Scaled and rotated first, then shifted: a shift is in voxels of the result.
    start = matrix @ draw(settings.translation)[:, :, None]
    mirror = torch.rand((batch, 3), generator=generator, device=image.device)
    sign = torch.where(mirror < _constant(settings.flip, image.device), -1.0, 1.0)
    affine = torch.cat([matrix, -start], dim=2) * (sign / half)[:, :, None]
    grid = _voxels(size, image.device) @ affine.flip(1).transpose(1, 2)
    if any(settings.elastic):
        std = _constant(tuple(reversed(settings.elastic)), image.device) / half.flip(0)
        grid -= _elastic_field(image, generator).flatten(1, 3) * std
    return grid.view(batch, *size, 3)


def _rotation(angles: Tensor) -> Tensor:
    """Rotation matrices (B, 3, 3) about x, then y, then z, of angles (B, 3) in radians."""
    (a, b, c), (x, y, z) = angles.cos().unbind(1), angles.sin().unbind(1)
    rows = [
        [c * b, c * y * x - z * a, c * y * a + z * x],
        [z * b, z * y * x + c * a, z * y * a - c * x],
        [-y, b * x, b * a],
    ]
    return torch.stack([entry for row in rows for entry in row], dim=1).view(-1, 3, 3)


def _elastic_field(image: Tensor, generator: torch.Generator) -> Tensor:
    """A smooth displacement (B, X, Y, Z, 3) with a standard deviation of 1 along each axis."""
    smooth = [_knots_to_voxels(n, image.device) for n in image.shape[2:]]
    knots = _normal((len(image), 3, _KNOTS, _KNOTS, _KNOTS), image, generator)
    shift = torch.einsum("bdijk,xi,yj,zk->bxyzd", knots, *smooth)
    return shift / shift.std(dim=(1, 2, 3), keepdim=True)


# Kept on the device: copying them for every batch would make the host wait for it.
@lru_cache(maxsize=32)
def _constant(values: Triple, device: torch.device) -> Tensor:
    return torch.tensor(values, device=device)


@lru_cache(maxsize=4)
def _voxels(size: tuple[int, ...], device: torch.device) -> Tensor:
    """Positions of the voxels relative to the centre of the volume, and a 1, (X Y Z, 4)."""
    axes = [torch.arange(n, dtype=torch.float32, device=device) - (n - 1) / 2 for n in size]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2)
    return functional.pad(places, (0, 1), value=1.0)


@lru_cache(maxsize=16)
def _knots_to_voxels(size: int, device: torch.device) -> Tensor:
    """Smoothing and linear interpolation of one axis as one matrix, (size, knots)."""
    padded = _KNOTS + 2 * _PADDING
    at = torch.arange(padded, dtype=torch.float32, device=device)
    gauss = torch.exp(-0.5 * ((at[:, None] - at[None, _PADDING:-_PADDING]) / _SIGMA) ** 2)
    resized = functional.interpolate(gauss.T[None], size=size, mode="linear", align_corners=True)
    return resized[0].T


def _normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)

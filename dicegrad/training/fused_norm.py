"""Normalisation and activation in two passes over the values, on CUDA with Triton.

torch's own layers read and write every map several times for the same, and copy maps that lie
channels last, as convolutions want them. Importing this module needs Triton.
"""

from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from dicegrad.training.norm_kernels import (
    backward_kernel,
    forward_kernel,
    moments_kernel,
    parameters_kernel,
    pushes_kernel,
    statistics_kernel,
)

_WARPS = 4
_VALUES = 4096  # that a program holds of each map at a time: 32 per thread
_COLUMNS = 64  # channels of a program at most: 128 bytes of a voxel
_STEPS = 8  # tiles that a program adds up before it leaves its sums


class Norm(NamedTuple):
    """What normalisation and activation are made of.

    Attributes:
        weight: (C,) float32.
        bias: (C,) float32.
        slope: (C,) float32, the factor of negative values per channel; None if it is `leak`.
        leak: The factor of negative values, where it is not learnt.
        eps: Added to the variance.
        over_batch: Whether mean and variance are those of the batch, not of each case.
        running: Mean and variance that follow those of the batch, (C,) each, or None.
        momentum: How fast they do.
    """

    weight: Tensor
    bias: Tensor
    slope: Tensor | None
    leak: float
    eps: float
    over_batch: bool
    running: tuple[Tensor, Tensor] | None = None
    momentum: float = 0.0


def normalise(image: Tensor, norm: Norm) -> Tensor:
    """Normalised and activated maps.

    Args:
        image: (B, C, X, Y, Z), float32 or half precision, channels last.
        norm: See `Norm`; running mean and variance are changed.

    Returns:
        Shape, dtype and memory format of the image.
    """
    slope = norm.weight if norm.slope is None else norm.slope
    return _Normalise.apply(image, norm.weight, norm.bias, slope, norm)


class _Shape(NamedTuple):
    """How the values are assigned to programs."""

    groups: int
    channels: int
    voxels: int  # of a group
    rows: int
    columns: int

    @property
    def parts(self) -> int:
        """Programs over the channels."""
        return triton.cdiv(self.channels, self.columns)

    @property
    def tiles(self) -> tuple[int, int, int]:
        """The grid of a kernel that takes a tile each."""
        return triton.cdiv(self.voxels, self.rows), self.groups, self.parts

    @property
    def blocks(self) -> int:
        """Programs over the voxels of a group, where each adds up several tiles."""
        return triton.cdiv(self.voxels, self.rows * _STEPS)

    @property
    def adding(self) -> dict[str, int]:
        """How the partial sums are read; a power of 2, so that it is seldom compiled again."""
        rows = min(1024 // self.columns, triton.next_power_of_2(self.blocks))
        turns = triton.next_power_of_2(triton.cdiv(self.blocks, rows))
        return {"rows": rows, "columns": self.columns, "turns": turns, "num_warps": _WARPS}


def _shape(image: Tensor, over_batch: bool) -> _Shape:
    batch, channels, *size = image.shape
    voxels = size[0] * size[1] * size[2]
    columns = min(triton.next_power_of_2(channels), _COLUMNS)
    groups, of_group = (1, batch * voxels) if over_batch else (batch, voxels)
    return _Shape(groups, channels, of_group, _VALUES // columns, columns)


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        image: Tensor,
        weight: Tensor,
        bias: Tensor,
        slope: Tensor,
        norm: Norm,
    ) -> Tensor:
        shape = _shape(image, norm.over_batch)
        groups, channels, voxels, rows, columns = shape
        mean, inverse = image.new_empty(2, groups, channels, dtype=torch.float32)
        partial = image.new_empty(2, groups, shape.blocks, channels, dtype=torch.float32)
        size = {"rows": rows, "columns": columns, "num_warps": _WARPS}
        moments_kernel[(shape.blocks, groups, shape.parts)](
            image, partial, channels, voxels, shape.blocks, steps=_STEPS, **size
        )
        running = norm.running or (mean, mean)
        statistics_kernel[(groups, shape.parts)](
            image, partial, mean, inverse, *running, channels, voxels, shape.blocks, norm.eps,
            norm.momentum, norm.running is not None, **shape.adding,
        )  # fmt: skip
        out, learnt = torch.empty_like(image), norm.slope is not None
        forward_kernel[shape.tiles](
            image, out, mean, inverse, weight, bias, slope, norm.leak, channels, voxels, learnt,
            **size,
        )  # fmt: skip
        ctx.save_for_backward(image, weight, bias, slope, mean, inverse)
        ctx.settings = shape, norm.leak, learnt
        return out

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        image, weight, bias, slope, mean, inverse = ctx.saved_tensors
        shape, leak, learnt = ctx.settings
        groups, channels, voxels, rows, columns = shape
        upstream = upstream.contiguous(memory_format=torch.channels_last_3d)
        partial = image.new_empty(2 + learnt, groups, shape.blocks, channels, dtype=torch.float32)
        means = image.new_empty(2, groups, channels, dtype=torch.float32)
        of_weight, of_bias, of_slope = image.new_empty(3, channels, dtype=torch.float32)
        size = {"rows": rows, "columns": columns, "num_warps": _WARPS}
        about = (mean, inverse, weight, bias, slope, leak, channels, voxels)
        pushes_kernel[(shape.blocks, groups, shape.parts)](
            image, upstream, partial, *about, shape.blocks, learnt, steps=_STEPS, **size
        )
        parameters_kernel[(shape.parts,)](
            partial, means, of_weight, of_bias, of_slope, channels, voxels, shape.blocks, groups,
            learnt, **shape.adding,
        )  # fmt: skip
        gradient = torch.empty_like(image)
        backward_kernel[shape.tiles](image, upstream, gradient, means, *about, learnt, **size)
        return gradient, of_weight, of_bias, of_slope if learnt else None, None

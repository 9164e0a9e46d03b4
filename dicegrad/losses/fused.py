"""The two passes as one Triton kernel each, for CUDA.

Both read the logits and the labels once. The first leaves three sums per block of voxels, which are
added afterwards, in a fixed order, so that a result repeats to the bit; the second writes the
gradient. Nothing else of the size of the volume touches the memory: the least traffic is the logits
twice, the labels twice and the gradient once.

Importing this module needs Triton. With ``TRITON_INTERPRET=1`` set before the import, the kernels
run on CPU tensors, which is how they are tested.
"""

import torch
import triton
from torch import Tensor

from dicegrad.losses.kernels import gradient_kernel, sums_kernel

_VALUES = 2048  # logits that a program holds at a time, over all channels
_STEPS = 8  # how many times it does so in the first pass, before it leaves its sums
_WARPS = 8  # 8 values per thread: compiled for compute capability 9.0, nothing spills


def fused_sums(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    mask: Tensor | None = None,
    ignore_index: int | None = None,
    into: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """First pass, see `sums.overlap_sums`.

    Args:
        y_pred: Shape (B, C, *spatial), float32, float16 or bfloat16.
        y: Label map of shape (B, *spatial).
        activation: None, "sigmoid" or "softmax".
        norm: "l1" or "l2".
        mask: (B, *spatial) bool, False where a voxel is ignored.
        ignore_index: Label whose voxels are ignored.
        into: (B, C) int64, the channel that each channel joins after the activation: itself or 0.

    Returns:
        The sums, shape (3, B, C), float64, and the lowest and highest values of what should lie in
        [0, 1], as for `tiles.tiled_sums`.
    """
    maps, labels = y_pred.flatten(2), _labels(y)
    batch, channels, voxels = maps.shape
    padded, block = _shape(channels)
    blocks = triton.cdiv(voxels, block * _STEPS)
    bounded = activation is None or channels == 1
    partial = maps.new_empty(3, batch, channels, blocks, dtype=torch.float32)
    extremes = maps.new_empty(2, batch, blocks if bounded else 0, dtype=torch.float32)
    sums_kernel[(blocks, batch)](
        maps,
        labels,
        *_masks(labels, mask, into),
        partial,
        extremes,
        *maps.stride(),
        labels.stride(0),
        labels.stride(1),
        ignore_index or 0,
        batch,
        voxels,
        blocks,
        channels,
        activation or "none",
        norm == "l2",
        bounded,
        mask is not None,
        ignore_index is not None,
        into is not None,
        padded,
        block,
        _STEPS,
        num_warps=_WARPS,
    )
    return partial.sum(-1, dtype=torch.float64), [extremes] if bounded else []


def fused_gradient(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    coefficients: Tensor,
    mask: Tensor | None = None,
    ignore_index: int | None = None,
    into: Tensor | None = None,
) -> Tensor:
    """Second pass, see `sums.overlap_gradient`; arguments as for `fused_sums`.

    Args:
        y_pred: As for `fused_sums`.
        y: As for `fused_sums`.
        activation: As for `fused_sums`.
        norm: As for `fused_sums`.
        coefficients: Shape (2, B, C).
        mask: As for `fused_sums`.
        ignore_index: As for `fused_sums`.
        into: As for `fused_sums`.

    Returns:
        Shape and dtype of y_pred, contiguous.
    """
    maps, labels = y_pred.flatten(2), _labels(y)
    batch, channels, voxels = maps.shape
    padded, block = _shape(channels)
    gradient = torch.empty_like(maps, memory_format=torch.contiguous_format)
    gradient_kernel[(triton.cdiv(voxels, block), batch)](
        maps,
        labels,
        *_masks(labels, mask, into),
        coefficients.float().contiguous(),
        gradient,
        *maps.stride(),
        labels.stride(0),
        labels.stride(1),
        ignore_index or 0,
        batch,
        voxels,
        channels,
        activation or "none",
        norm == "l2",
        mask is not None,
        ignore_index is not None,
        into is not None,
        padded,
        block,
        num_warps=_WARPS,
    )
    return gradient.view(y_pred.shape)


def fits(y_pred: Tensor, y: Tensor) -> bool:
    """Whether the kernels take this input: a label map, and no float64 (they work in float32)."""
    return y.ndim < y_pred.ndim and y_pred.dtype != torch.float64


def _labels(y: Tensor) -> Tensor:
    labels = y.flatten(1)
    return labels.view(torch.uint8) if labels.dtype == torch.bool else labels


def _masks(labels: Tensor, mask: Tensor | None, into: Tensor | None) -> tuple[Tensor, Tensor]:
    """The two masks as the kernels read them; where there is none, any pointer does."""
    kept = labels if mask is None else mask.flatten(1).contiguous().view(torch.uint8)
    return kept, labels if into is None else into.contiguous()


def _shape(channels: int) -> tuple[int, int]:
    padded = triton.next_power_of_2(channels)
    return padded, max(_VALUES // padded, 16)

"""The two passes as one Triton kernel each, for CUDA, and all that lies between them as another.

Both passes read the logits and the labels once. The first leaves three sums per block of voxels,
which are added afterwards, in a fixed order, so that a result repeats to the bit; the second writes
the gradient. Nothing else of the size of the volume touches the memory: the least traffic is the
logits twice, the labels twice and the gradient once.

Importing this module needs Triton. With ``TRITON_INTERPRET=1`` set before the import, the kernels
run on CPU tensors, which is how they are tested.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
import triton
from torch import Tensor

from dicegrad.losses.dice_kernel import dice_kernel
from dicegrad.losses.inputs import SLACK
from dicegrad.losses.kernels import gradient_kernel, sums_kernel
from dicegrad.losses.masks import Masks
from dicegrad.losses.reduction import Reduction

# A thread holds all channels of a few neighbouring voxels, so that a softmax stays within it:
# values that cross threads would go through shared memory. 4 voxels are the 16 bytes of a load.
_WARPS, _LANES, _NEIGHBOURS = 4, 32, 4
_PER_THREAD = 32  # values at most; with more of them the sums would spill
_STEPS = 8  # blocks of voxels that a program of the first pass adds up before it leaves its sums
# The kernel between the passes: values that it loads at a time, and maps that it takes at most.
_AT_ONCE, _MOST_MAPS = 2048, 1024


@dataclass(frozen=True)
class FirstPass:
    """What the first pass leaves in the device's memory.

    Attributes:
        partial: (3, B, C, blocks) float32, the sums of every block of voxels.
        counted: (B, blocks) float32, how many voxels are not ignored; empty where none is.
        extremes: (2, B, blocks) float32, the lowest and highest of what should lie in [0, 1]; empty
            where nothing can leave it.
    """

    partial: Tensor
    counted: Tensor
    extremes: Tensor


@dataclass(frozen=True)
class Loss:
    """A Dice loss between its two passes.

    Attributes:
        value: Scalar, float32.
        coefficients: (2, B, C) float64, its derivatives by intersection and predicted volume.
        sums: (3, B, C) float64, as `sums.overlap_sums` returns them.
    """

    value: Tensor
    coefficients: Tensor
    sums: Tensor


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
    found = _first_pass(y_pred, y, activation, norm, mask, ignore_index, into)
    extremes = [found.extremes] if found.extremes.numel() else []
    return found.partial.sum(-1, dtype=torch.float64), extremes


def fused_loss(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    reduction: Reduction,
    masks: Masks,
) -> Loss:
    """First pass and `reduction.loss_and_coefficients` in two kernels, for what `loss_fits`.

    A label without a channel, and a value outside [0, 1], trip a device-side assertion.
    """
    found = _first_pass(y_pred, y, activation, norm, *masks.over_voxels)
    batch, channels, blocks = found.partial.shape[1:]
    sums = y_pred.new_empty(3, batch, channels, dtype=torch.float64)
    coefficients = y_pred.new_empty(2, batch, channels, dtype=torch.float64)
    value = y_pred.new_empty((), dtype=torch.float32)
    allowed = y_pred.new_empty((), dtype=torch.int32)
    padded_batch, padded = map(triton.next_power_of_2, (batch, channels))
    chunk = max(_AT_ONCE // (padded_batch * padded), 16)
    several = isinstance(reduction.epsilon, tuple)
    epsilons = _numbers(reduction.epsilon, y_pred.device) if several else value
    weighting = reduction.weight is not None
    weights = _numbers(reduction.weight, y_pred.device) if weighting else value
    dice_kernel[(1,)](
        found.partial,
        found.counted,
        found.extremes,
        value if masks.share is None else masks.share.contiguous(),
        epsilons,
        weights,
        sums,
        value,
        coefficients,
        allowed,
        batch,
        blocks,
        y.numel(),
        1.0 if several else reduction.epsilon,
        SLACK,
        channels,
        reduction.first,
        "B" in reduction.phi,
        "C" in reduction.phi,
        masks.share is not None,
        several,
        weighting,
        found.counted.numel() > 0,
        found.extremes.numel() > 0,
        channels > 1,
        padded_batch,
        padded,
        chunk,
        triton.next_power_of_2(triton.cdiv(blocks, chunk)),  # seldom compiled again
        num_warps=_WARPS,
    )
    if channels > 1 or found.extremes.numel():
        torch._assert_async(allowed, "a label has no channel, or values lie outside [0, 1]")
    return Loss(value, coefficients, sums)


def loss_fits(y_pred: Tensor, reduction: Reduction) -> bool:
    """Whether `fused_loss` takes this reduction, of an input that the kernels take (`fits`)."""
    plain = reduction.output == "mean" and not reduction.shared
    batch, channels = map(triton.next_power_of_2, y_pred.shape[:2])
    return plain and batch * channels <= _MOST_MAPS


def _first_pass(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    mask: Tensor | None,
    ignore_index: int | None,
    into: Tensor | None,
) -> FirstPass:
    maps, labels = y_pred.flatten(2), _labels(y)
    batch, channels, voxels = maps.shape
    padded, block, run = _shape(channels)
    blocks = triton.cdiv(voxels, block * _STEPS)
    bounded = activation is None or channels == 1
    masked = mask is not None or ignore_index is not None
    partial = maps.new_empty(3, batch, channels, blocks, dtype=torch.float32)
    counted = maps.new_empty(batch, blocks if masked else 0, dtype=torch.float32)
    extremes = maps.new_empty(2, batch, blocks if bounded else 0, dtype=torch.float32)
    sums_kernel[(blocks, batch)](
        maps,
        labels,
        *_masks(labels, mask, into),
        partial,
        counted,
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
        run,
        _STEPS,
        num_warps=_WARPS,
    )
    return FirstPass(partial, counted, extremes)


def fused_gradient(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    coefficients: Tensor,
    mask: Tensor | None = None,
    ignore_index: int | None = None,
    into: Tensor | None = None,
    upstream: Tensor | None = None,
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
        upstream: A number on the device that the coefficients are multiplied by.

    Returns:
        Shape and dtype of y_pred, contiguous.
    """
    maps, labels = y_pred.flatten(2), _labels(y)
    batch, channels, voxels = maps.shape
    padded, block, run = _shape(channels)
    coefficients = coefficients.contiguous()
    gradient = torch.empty_like(maps, memory_format=torch.contiguous_format)
    gradient_kernel[(triton.cdiv(voxels, block), batch)](
        maps,
        labels,
        *_masks(labels, mask, into),
        coefficients,
        coefficients if upstream is None else upstream,
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
        upstream is not None,
        mask is not None,
        ignore_index is not None,
        into is not None,
        padded,
        block,
        run,
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


def _shape(channels: int) -> tuple[int, int, int]:
    """Channels as a power of 2, voxels of a block, and neighbouring voxels of a thread."""
    padded = triton.next_power_of_2(channels)
    run = min(max(_PER_THREAD // padded, 1), _NEIGHBOURS)
    return padded, _WARPS * _LANES * run, run


@lru_cache(maxsize=256)
def _numbers(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Numbers per class on a device, once: to copy them there makes the host wait."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float64, device=device)

"""The two passes as one Triton kernel each, for CUDA.

Both read the logits and the labels once. The first leaves three sums per block of voxels, which are
added afterwards, in a fixed order, so that a result repeats to the bit; the second writes the
gradient. Nothing else of the size of the volume touches the memory: the least traffic is the logits
twice, the labels twice and the gradient once.

Importing this module needs Triton. With ``TRITON_INTERPRET=1`` set before the import, the kernels
run on CPU tensors, which is how they are tested.
"""

# ruff: noqa: ANN001, ANN202 (Triton reads annotations as types of the kernel language)

import torch
import triton
import triton.language as tl
from torch import Tensor

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
    _sums_kernel[(blocks, batch)](
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
    _gradient_kernel[(triton.cdiv(voxels, block), batch)](
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


@triton.jit
def _load(
    maps,
    labels,
    mask,
    into,
    row,
    voxel,
    channel,
    row_stride,
    channel_stride,
    voxel_stride,
    label_row_stride,
    label_stride,
    ignored,
    voxels,
    channels: tl.constexpr,
    activation: tl.constexpr,
    masked: tl.constexpr,
    ignoring: tl.constexpr,
    merging: tl.constexpr,
):
    """Probabilities, truth, label and validity of some voxels, (padded channels, voxels).

    The first two are 0 outside and at ignored voxels. Labels are those after merging, the
    probabilities those before; the last result is True for channels that join the background.
    """
    row, voxel = row.to(tl.int64), voxel.to(tl.int64)
    inside = voxel < voxels
    valid = (channel < channels)[:, None] & inside[None, :]
    where = row * row_stride + voxel[None, :] * voxel_stride
    where += channel.to(tl.int64)[:, None] * channel_stride
    x = tl.load(maps + where, mask=valid, other=0.0).to(tl.float32)
    label_where = row * label_row_stride + voxel * label_stride
    label = tl.load(labels + label_where, mask=inside, other=0)
    kept = inside
    if ignoring:
        kept = kept & (label != ignored)
    if masked:
        kept = kept & (tl.load(mask + row * voxels + voxel, mask=inside, other=0) != 0)
    if activation == "softmax":
        x = tl.where((channel < channels)[:, None], x, -float("inf"))
        e = tl.exp(x - tl.max(x, 0)[None, :])
        p = e / tl.sum(e, 0)[None, :]
    elif activation == "sigmoid":
        p = 1 / (1 + tl.exp(-x))
    else:
        p = x
    joined = channel < 0
    if merging:
        target = tl.load(into + row * channels + channel, mask=channel < channels, other=0)
        joined = (target == 0) & (channel > 0) & (channel < channels)
        known = kept & (label >= 0) & (label < channels)
        moved = tl.load(into + row * channels + label.to(tl.int64), mask=known, other=0)
        label = tl.where(known, moved.to(label.dtype), label)
    first: tl.constexpr = 1 if channels == 1 else 0  # a single channel stands for label 1
    valid = (channel < channels)[:, None] & kept[None, :]
    truth = (label[None, :] == (channel + first)[:, None]) & valid
    return tl.where(valid, p, 0.0), truth.to(tl.float32), label, valid, joined


@triton.jit
def _merge(p, joined, channel):
    """Add the channels that join the background to channel 0; 0 is left of them."""
    background = tl.sum(tl.where(joined[:, None], p, 0.0), 0)
    p = tl.where(joined[:, None], 0.0, p)
    return tl.where((channel == 0)[:, None], p + background[None, :], p)


@triton.jit
def _sums_kernel(
    maps,
    labels,
    mask,
    into,
    partial,
    extremes,
    row_stride,
    channel_stride,
    voxel_stride,
    label_row_stride,
    label_stride,
    ignored,
    batch,
    voxels,
    blocks,
    channels: tl.constexpr,
    activation: tl.constexpr,
    squared: tl.constexpr,
    bounded: tl.constexpr,
    masked: tl.constexpr,
    ignoring: tl.constexpr,
    merging: tl.constexpr,
    padded: tl.constexpr,
    block: tl.constexpr,
    steps: tl.constexpr,
):
    place, row = tl.program_id(0), tl.program_id(1)
    channel = tl.arange(0, padded)
    intersection = tl.zeros((padded, block), tl.float32)
    predicted = tl.zeros((padded, block), tl.float32)
    true = tl.zeros((padded, block), tl.float32)
    low = tl.zeros((padded, block), tl.float32)
    high = tl.zeros((padded, block), tl.float32)
    for step in range(steps):
        voxel = (place * steps + step) * block + tl.arange(0, block)
        p, h, label, valid, joined = _load(
            maps,
            labels,
            mask,
            into,
            row,
            voxel,
            channel,
            row_stride,
            channel_stride,
            voxel_stride,
            label_row_stride,
            label_stride,
            ignored,
            voxels,
            channels,
            activation,
            masked,
            ignoring,
            merging,
        )
        if bounded:  # 0 is allowed, so what lies outside the volume does no harm as a 0
            low = tl.minimum(low, p)
            high = tl.maximum(high, p)
            if channels == 1:
                single = tl.where(valid, label[None, :].to(tl.float32), 0.0)
                low = tl.minimum(low, single)
                high = tl.maximum(high, single)
        if merging:
            p = _merge(p, joined, channel)
        intersection += p * h
        predicted += p * p if squared else p
        true += h
    where = (row * channels + channel) * blocks + place
    kept = channel < channels
    plane = batch * channels * blocks
    tl.store(partial + where, tl.sum(intersection, 1), mask=kept)
    tl.store(partial + plane + where, tl.sum(predicted, 1), mask=kept)
    tl.store(partial + 2 * plane + where, tl.sum(true, 1), mask=kept)
    if bounded:
        tl.store(extremes + row * blocks + place, tl.min(tl.min(low, 1), 0))
        tl.store(extremes + (batch + row) * blocks + place, tl.max(tl.max(high, 1), 0))


@triton.jit
def _gradient_kernel(
    maps,
    labels,
    mask,
    into,
    coefficients,
    gradient,
    row_stride,
    channel_stride,
    voxel_stride,
    label_row_stride,
    label_stride,
    ignored,
    batch,
    voxels,
    channels: tl.constexpr,
    activation: tl.constexpr,
    squared: tl.constexpr,
    masked: tl.constexpr,
    ignoring: tl.constexpr,
    merging: tl.constexpr,
    padded: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(1)
    voxel = tl.program_id(0) * block + tl.arange(0, block)
    channel = tl.arange(0, padded)
    p, h, _, valid, joined = _load(
        maps,
        labels,
        mask,
        into,
        row,
        voxel,
        channel,
        row_stride,
        channel_stride,
        voxel_stride,
        label_row_stride,
        label_stride,
        ignored,
        voxels,
        channels,
        activation,
        masked,
        ignoring,
        merging,
    )
    kept = channel < channels
    slope = tl.load(coefficients + row * channels + channel, mask=kept, other=0.0)[:, None]
    level = tl.load(coefficients + (batch + row) * channels + channel, mask=kept, other=0.0)
    level = level[:, None]
    g = slope * h + (
        2 * level * (_merge(p, joined, channel) if merging else p) if squared else level
    )
    if merging:
        background = tl.sum(tl.where((channel == 0)[:, None], g, 0.0), 0)
        g = tl.where(joined[:, None], background[None, :], g)
    if activation == "softmax":
        g = p * (g - tl.sum(g * p, 0)[None, :])
    elif activation == "sigmoid":
        g = g * p * (1 - p)
    where = (row.to(tl.int64) * channels + channel.to(tl.int64))[:, None] * voxels
    where += voxel.to(tl.int64)[None, :]
    g = tl.where(valid, g, 0.0)
    inside = kept[:, None] & (voxel < voxels)[None, :]
    tl.store(gradient + where, g.to(gradient.dtype.element_ty), mask=inside)

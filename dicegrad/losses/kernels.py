"""The two passes in the language of Triton; `fused` launches them.

A program holds the probabilities of a block of voxels over all channels, so that a softmax, and
classes that are merged into the background, stay within it.
"""

# ruff: noqa: ANN001, ANN201, ANN202 (Triton reads annotations as types of the kernel language)

import triton
import triton.language as tl


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
    run: tl.constexpr,
):
    """Probabilities, truth, label and validity of some voxels, (padded channels, voxels).

    The first two are 0 outside and at ignored voxels. Labels are those after merging, the
    probabilities those before; the last result is True for channels that join the background.
    """
    row, voxel = row.to(tl.int64), tl.max_contiguous(voxel.to(tl.int64), run)
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
def sums_kernel(
    maps,
    labels,
    mask,
    into,
    partial,
    counted,
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
    run: tl.constexpr,
    steps: tl.constexpr,
):
    """First pass: the sums of one block of voxels, and the bounds of what should lie in [0, 1]."""
    place, row = tl.program_id(0), tl.program_id(1)
    channel = tl.arange(0, padded)
    intersection = tl.zeros((padded, block), tl.float32)
    predicted = tl.zeros((padded, block), tl.float32)
    true = tl.zeros((padded, block), tl.float32)
    low = tl.zeros((padded, block), tl.float32)
    high = tl.zeros((padded, block), tl.float32)
    seen = tl.zeros((block,), tl.float32)
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
            run,
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
        if masked or ignoring:
            seen += tl.max(valid.to(tl.float32), 0)
    where = (row * channels + channel) * blocks + place
    kept = channel < channels
    plane = batch * channels * blocks
    tl.store(partial + where, tl.sum(intersection, 1), mask=kept)
    tl.store(partial + plane + where, tl.sum(predicted, 1), mask=kept)
    tl.store(partial + 2 * plane + where, tl.sum(true, 1), mask=kept)
    if masked or ignoring:
        tl.store(counted + row * blocks + place, tl.sum(seen, 0))
    if bounded:
        tl.store(extremes + row * blocks + place, tl.min(tl.min(low, 1), 0))
        tl.store(extremes + (batch + row) * blocks + place, tl.max(tl.max(high, 1), 0))


@triton.jit
def gradient_kernel(
    maps,
    labels,
    mask,
    into,
    coefficients,
    upstream,
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
    scaled: tl.constexpr,
    masked: tl.constexpr,
    ignoring: tl.constexpr,
    merging: tl.constexpr,
    padded: tl.constexpr,
    block: tl.constexpr,
    run: tl.constexpr,
):
    """Second pass: the gradient at one block of voxels."""
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
        run,
    )
    kept = channel < channels
    slope = tl.load(coefficients + row * channels + channel, mask=kept, other=0.0)
    level = tl.load(coefficients + (batch + row) * channels + channel, mask=kept, other=0.0)
    if scaled:
        scale = tl.load(upstream).to(slope.dtype)
        slope, level = slope * scale, level * scale
    slope, level = slope.to(tl.float32)[:, None], level.to(tl.float32)[:, None]
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
    where += tl.max_contiguous(voxel.to(tl.int64), run)[None, :]
    g = tl.where(valid, g, 0.0)
    inside = kept[:, None] & (voxel < voxels)[None, :]
    tl.store(gradient + where, g.to(gradient.dtype.element_ty), mask=inside)

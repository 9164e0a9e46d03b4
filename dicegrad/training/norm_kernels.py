"""Normalisation and activation as Triton kernels, over values that lie channels last.

`fused_norm` launches them. Memory holds G groups of N voxels of C channels: the cases of a batch
for instance normalisation, the batch as a whole for batch normalisation. A program takes some
voxels of some channels; sums over voxels are left per program and added up in a fixed order, so
that a result repeats to the bit.
"""

# ruff: noqa: ANN001, ANN201, ANN202 (Triton reads annotations as types of the kernel language)

import triton
import triton.language as tl


@triton.jit
def _tile(place, group, channel, channels, voxels, rows: tl.constexpr):
    """Where the values of a tile lie, and which of them are inside."""
    voxel = place * rows + tl.arange(0, rows)
    where = (group.to(tl.int64) * voxels + voxel)[:, None] * channels + channel[None, :]
    return where, (voxel < voxels)[:, None] & (channel < channels)[None, :]


@triton.jit
def _normal(x, channel, group, channels, mean, inverse, weight, bias):
    """Normalised values, those after weight and bias, and weight times inverse deviation."""
    inside = channel < channels
    of_group = group * channels + channel
    centre = tl.load(mean + of_group, mask=inside, other=0.0)[None, :]
    scale = tl.load(inverse + of_group, mask=inside, other=0.0)[None, :]
    factor = tl.load(weight + channel, mask=inside, other=0.0)[None, :]
    offset = tl.load(bias + channel, mask=inside, other=0.0)[None, :]
    normal = (x - centre) * scale
    return normal, normal * factor + offset, factor * scale


@triton.jit
def _slope(slope, leak, channel, channels, learnt: tl.constexpr):
    """The factor of negative values: one number, or one that is learnt per channel."""
    if learnt:
        factor = tl.load(slope + channel, mask=channel < channels, other=0.0)[None, :]
    else:
        factor = leak
    return factor


@triton.jit
def moments_kernel(
    x, partial, channels, voxels, blocks, rows: tl.constexpr, columns: tl.constexpr,
    steps: tl.constexpr,
):  # fmt: skip
    """Sums, over the voxels of a program, of x and its square, less the group's first voxel."""
    block, group = tl.program_id(0), tl.program_id(1)
    total = tl.zeros((rows, columns), tl.float32)
    squares = tl.zeros((rows, columns), tl.float32)
    channel = tl.program_id(2) * columns + tl.arange(0, columns)
    known = channel < channels
    first = tl.load(x + group.to(tl.int64) * voxels * channels + channel, mask=known, other=0.0)
    for step in range(steps):
        where, inside = _tile(block * steps + step, group, channel, channels, voxels, rows)
        value = tl.load(x + where, mask=inside, other=0.0).to(tl.float32)
        value = tl.where(inside, value - first.to(tl.float32)[None, :], 0.0)
        total += value
        squares += value * value
    at = (group * blocks + block) * channels + channel
    plane = tl.num_programs(1) * blocks * channels
    tl.store(partial + at, tl.sum(total, 0), mask=known)
    tl.store(partial + plane + at, tl.sum(squares, 0), mask=known)


@triton.jit
def _added(
    partial, group, channel, channels, blocks, rows: tl.constexpr, columns: tl.constexpr,
    turns: tl.constexpr,
):  # fmt: skip
    """What the programs of a group left, added up in float64."""
    total = tl.zeros((rows, columns), tl.float64)
    for turn in range(turns):
        block = turn * rows + tl.arange(0, rows)
        where = (group * blocks + block)[:, None] * channels + channel[None, :]
        inside = (block < blocks)[:, None] & (channel < channels)[None, :]
        total += tl.load(partial + where, mask=inside, other=0.0).to(tl.float64)
    return tl.sum(total, 0)


@triton.jit
def statistics_kernel(
    x, partial, mean, inverse, running_mean, running_var, channels, voxels, blocks, eps, momentum,
    running: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr, turns: tl.constexpr,
):  # fmt: skip
    """Mean and inverse deviation of a group's channels; the running ones follow."""
    group = tl.program_id(0)
    channel = tl.program_id(1) * columns + tl.arange(0, columns)
    known = channel < channels
    plane = tl.num_programs(0) * blocks * channels
    shifted = _added(partial, group, channel, channels, blocks, rows, columns, turns) / voxels
    squares = _added(partial + plane, group, channel, channels, blocks, rows, columns, turns)
    first = tl.load(x + group.to(tl.int64) * voxels * channels + channel, mask=known, other=0.0)
    centre = first.to(tl.float64) + shifted
    variance = tl.maximum(squares / voxels - shifted * shifted, 0.0)
    tl.store(mean + group * channels + channel, centre.to(tl.float32), mask=known)
    scale = 1 / tl.sqrt(variance + eps)
    tl.store(inverse + group * channels + channel, scale.to(tl.float32), mask=known)
    if running:
        before = tl.load(running_mean + channel, mask=known, other=0.0)
        after = before + momentum * (centre.to(tl.float32) - before)
        tl.store(running_mean + channel, after, mask=known)
        before = tl.load(running_var + channel, mask=known, other=0.0)
        unbiased = variance * voxels / (voxels - 1)
        after = before + momentum * (unbiased.to(tl.float32) - before)
        tl.store(running_var + channel, after, mask=known)


@triton.jit
def forward_kernel(
    x, y, mean, inverse, weight, bias, slope, leak, channels, voxels,
    learnt: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr,
):  # fmt: skip
    """Normalisation, weight and bias, and activation of a tile."""
    group = tl.program_id(1)
    channel = tl.program_id(2) * columns + tl.arange(0, columns)
    where, inside = _tile(tl.program_id(0), group, channel, channels, voxels, rows)
    value = tl.load(x + where, mask=inside, other=0.0).to(tl.float32)
    _normed, z, _scale = _normal(value, channel, group, channels, mean, inverse, weight, bias)
    out = tl.where(z > 0, z, z * _slope(slope, leak, channel, channels, learnt))
    tl.store(y + where, out.to(y.dtype.element_ty), mask=inside)


@triton.jit
def pushes_kernel(
    x, upstream, partial, mean, inverse, weight, bias, slope, leak, channels, voxels, blocks,
    learnt: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr, steps: tl.constexpr,
):  # fmt: skip
    """Sums, over the voxels of a program, that the gradients are made of."""
    block, group = tl.program_id(0), tl.program_id(1)
    total = tl.zeros((rows, columns), tl.float32)
    aligned = tl.zeros((rows, columns), tl.float32)
    negative = tl.zeros((rows, columns), tl.float32)
    channel = tl.program_id(2) * columns + tl.arange(0, columns)
    for step in range(steps):
        where, inside = _tile(block * steps + step, group, channel, channels, voxels, rows)
        value = tl.load(x + where, mask=inside, other=0.0).to(tl.float32)
        g = tl.load(upstream + where, mask=inside, other=0.0).to(tl.float32)
        normal, z, _scale = _normal(value, channel, group, channels, mean, inverse, weight, bias)
        if learnt:
            negative += tl.where(z > 0, 0.0, g * z)
        g = tl.where(z > 0, g, g * _slope(slope, leak, channel, channels, learnt))
        total += g
        aligned += tl.where(inside, g * normal, 0.0)
    at = (group * blocks + block) * channels + channel
    plane = tl.num_programs(1) * blocks * channels
    known = channel < channels
    tl.store(partial + at, tl.sum(total, 0), mask=known)
    tl.store(partial + plane + at, tl.sum(aligned, 0), mask=known)
    if learnt:
        tl.store(partial + 2 * plane + at, tl.sum(negative, 0), mask=known)


@triton.jit
def parameters_kernel(
    partial, means, of_weight, of_bias, of_slope, channels, voxels, blocks, groups: tl.constexpr,
    learnt: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr, turns: tl.constexpr,
):  # fmt: skip
    """The gradients of weight, bias and slope, and the means that leave that of x."""
    channel = tl.program_id(0) * columns + tl.arange(0, columns)
    known = channel < channels
    plane = groups * blocks * channels
    weight = tl.zeros((columns,), tl.float64)
    bias = tl.zeros((columns,), tl.float64)
    slope = tl.zeros((columns,), tl.float64)
    for group in range(groups):
        total = _added(partial, group, channel, channels, blocks, rows, columns, turns)
        aligned = _added(partial + plane, group, channel, channels, blocks, rows, columns, turns)
        at = group * channels + channel
        tl.store(means + at, (total / voxels).to(tl.float32), mask=known)
        shifted = (aligned / voxels).to(tl.float32)
        tl.store(means + groups * channels + at, shifted, mask=known)
        bias += total
        weight += aligned
        if learnt:
            slope += _added(
                partial + 2 * plane, group, channel, channels, blocks, rows, columns, turns
            )
    tl.store(of_weight + channel, weight.to(tl.float32), mask=known)
    tl.store(of_bias + channel, bias.to(tl.float32), mask=known)
    if learnt:
        tl.store(of_slope + channel, slope.to(tl.float32), mask=known)


@triton.jit
def backward_kernel(
    x, upstream, gradient, means, mean, inverse, weight, bias, slope, leak, channels, voxels,
    learnt: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr,
):  # fmt: skip
    """The gradient of x at a tile."""
    group = tl.program_id(1)
    channel = tl.program_id(2) * columns + tl.arange(0, columns)
    where, inside = _tile(tl.program_id(0), group, channel, channels, voxels, rows)
    value = tl.load(x + where, mask=inside, other=0.0).to(tl.float32)
    g = tl.load(upstream + where, mask=inside, other=0.0).to(tl.float32)
    normal, z, scale = _normal(value, channel, group, channels, mean, inverse, weight, bias)
    g = tl.where(z > 0, g, g * _slope(slope, leak, channel, channels, learnt))
    at, known = group * channels + channel, channel < channels
    common = tl.load(means + at, mask=known, other=0.0)[None, :]
    plane = tl.num_programs(1) * channels
    aligned = tl.load(means + plane + at, mask=known, other=0.0)[None, :]
    # The parts that change mean or variance of a channel are removed from the gradient.
    out = scale * (g - common - normal * aligned)
    tl.store(gradient + where, out.to(gradient.dtype.element_ty), mask=inside)

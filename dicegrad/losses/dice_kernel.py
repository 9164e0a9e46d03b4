"""Everything between the two passes as one Triton kernel: from partial sums to Eq. 3 and Eq. 4.

It is `reduction.loss_and_coefficients` for a mean over the subsets, in a single program. In torch
it would be some twenty operations on a handful of numbers, each of which takes the host longer
than the passes take the device.
"""

# ruff: noqa: ANN001, ANN201, ANN202 (Triton reads annotations as types of the kernel language)

import triton
import triton.language as tl


@triton.jit
def _total(
    partial, row, known, blocks, rows: tl.constexpr, chunk: tl.constexpr, turns: tl.constexpr
):
    """The sum of every row of partial sums, in float64 and in a fixed order."""
    total = tl.zeros((rows, chunk), tl.float64)
    for turn in range(turns):
        place = turn * chunk + tl.arange(0, chunk)
        where = row.to(tl.int64)[:, None] * blocks + place[None, :]
        seen = known[:, None] & (place < blocks)[None, :]
        total += tl.load(partial + where, mask=seen, other=0.0).to(tl.float64)
    return tl.sum(total, 1)


@triton.jit
def _pool(values, batch: tl.constexpr, classes: tl.constexpr):
    """Add up what shares a subset; the shape stays, so that it broadcasts."""
    if batch:
        values = tl.sum(values, 0)[None, :] + tl.zeros_like(values)
    if classes:
        values = tl.sum(values, 1)[:, None] + tl.zeros_like(values)
    return values


@triton.jit
def _highest(values, batch: tl.constexpr, classes: tl.constexpr):
    if classes:
        values = tl.max(values, 1)[:, None] + tl.zeros_like(values)
    if batch:
        values = (tl.max(values, 0)[None, :] > 0).to(tl.float64) + tl.zeros_like(values)
    return values


@triton.jit
def _adds_up(
    labelled,
    counted,
    batch,
    blocks,
    voxels,
    masked: tl.constexpr,
    cases: tl.constexpr,
    chunk: tl.constexpr,
    turns: tl.constexpr,
):
    """1 if every voxel that is not ignored has a label with a channel, else 0."""
    expected = tl.zeros((), tl.float64) + voxels
    if masked:
        case = tl.arange(0, cases)
        expected = tl.sum(_total(counted, case, case < batch, blocks, cases, chunk, turns), 0)
    return (labelled == expected).to(tl.int32)


@triton.jit
def _lies_inside(
    extremes,
    batch,
    blocks,
    slack,
    cases: tl.constexpr,
    chunk: tl.constexpr,
    turns: tl.constexpr,
):
    """1 if all that should lie in [0, 1] does, but for rounding, else 0; NaN passes."""
    inside = tl.full((), 1, tl.int32)
    case = tl.arange(0, cases)
    for turn in range(turns):
        place = turn * chunk + tl.arange(0, chunk)
        where = case[:, None] * blocks + place[None, :]
        seen = (case < batch)[:, None] & (place < blocks)[None, :]
        low = tl.load(extremes + where, mask=seen, other=0.0)
        high = tl.load(extremes + batch * blocks + where, mask=seen, other=0.0)
        outside = (low < -slack) | (high > 1 + slack)
        inside = inside * (1 - tl.max(tl.max(outside.to(tl.int32), 1), 0))
    return inside


@triton.jit
def dice_kernel(
    partial,
    counted,
    extremes,
    share,
    epsilons,
    weights,
    sums,
    loss,
    coefficients,
    valid,
    batch,
    blocks,
    voxels,
    epsilon,
    slack,
    channels: tl.constexpr,
    first: tl.constexpr,
    pools_batch: tl.constexpr,
    pools_classes: tl.constexpr,
    sharing: tl.constexpr,
    several: tl.constexpr,
    weighting: tl.constexpr,
    masked: tl.constexpr,
    bounded: tl.constexpr,
    checked: tl.constexpr,
    padded_batch: tl.constexpr,
    padded: tl.constexpr,
    chunk: tl.constexpr,
    turns: tl.constexpr,
):
    """The sums of each map, the loss, its coefficients, and whether all values were allowed."""
    rows: tl.constexpr = padded_batch * padded
    number = tl.arange(0, rows)
    case, channel = number // padded, number % padded
    there = (case < batch) & (channel < channels)
    row = case * channels + channel
    plane = batch * channels
    intersection = _total(partial, row, there, blocks, rows, chunk, turns)
    predicted = _total(partial, plane + row, there, blocks, rows, chunk, turns)
    true = _total(partial, 2 * plane + row, there, blocks, rows, chunk, turns)
    tl.store(sums + row, intersection, mask=there)
    tl.store(sums + plane + row, predicted, mask=there)
    tl.store(sums + 2 * plane + row, true, mask=there)

    labelled = tl.sum(true, 0)
    if checked:
        allowed = _adds_up(
            labelled, counted, batch, blocks, voxels, masked, padded_batch, chunk, turns
        )
    else:
        allowed = tl.full((), 1, tl.int32)
    if bounded:
        allowed *= _lies_inside(extremes, batch, blocks, slack, padded_batch, chunk, turns)
    tl.store(valid, allowed)

    shape: tl.constexpr = (padded_batch, padded)
    counts = there & (channel >= first)
    takes_part = tl.reshape(counts.to(tl.float64), shape)
    weight = takes_part
    factor = takes_part  # how often a map counts within its subset
    if sharing:
        share_of = tl.load(share + row, mask=counts, other=0.0).to(tl.float64)
        weight = tl.reshape(share_of, shape)
        if pools_batch:
            factor = weight
        elif pools_classes:
            factor = (weight > 0).to(tl.float64)
    intersection = _pool(tl.reshape(intersection, shape) * factor, pools_batch, pools_classes)
    predicted = _pool(tl.reshape(predicted, shape) * factor, pools_batch, pools_classes)
    true = _pool(tl.reshape(true, shape) * factor, pools_batch, pools_classes)
    weight = _highest(weight, pools_batch, pools_classes)

    smooth = tl.zeros(shape, tl.float64) + epsilon
    reduced = tl.reshape(channel - first, shape)
    inside = tl.reshape(counts, shape)
    if several:
        smooth = tl.load(epsilons + reduced, mask=inside, other=1.0)
    denominator = tl.where(inside, predicted + true + smooth, 1.0)
    dice = (2 * intersection + smooth) / denominator

    # One entry stands for each subset.
    alone = takes_part
    if pools_batch:
        alone = tl.where(tl.reshape(case, shape) == 0, alone, 0.0)
    if pools_classes:
        alone = tl.where(reduced == 0, alone, 0.0)
    of_class = tl.zeros(shape, tl.float64) + 1.0
    if weighting:
        of_class = tl.load(weights + reduced, mask=inside, other=0.0)
    total = tl.sum(tl.sum(alone * weight, 1), 0)
    scale = tl.where(total > 0, 1 / tl.where(total > 0, total, 1.0), 0.0)
    value = tl.sum(tl.sum(tl.where(alone > 0, (1 - dice) * of_class * weight, 0.0), 1), 0) * scale
    tl.store(loss, value.to(loss.dtype.element_ty))
    steepness = of_class * weight * scale / denominator * factor
    where = tl.reshape(row, shape)
    maps = tl.reshape(there, shape)
    tl.store(coefficients + where, tl.where(inside, -2 * steepness, 0.0), mask=maps)
    tl.store(coefficients + plane + where, tl.where(inside, steepness * dice, 0.0), mask=maps)

"""What is computed on one tile: a part of the volume that stays in the cache."""

from functools import cache
from math import e, log2
from typing import NamedTuple

import torch
from torch import Tensor

_LOG2_E = log2(e)


class Scratch(NamedTuple):
    """Memory of one tile: three tensors of its shape (b, C, k), three of shape (b, 1, k)."""

    p: Tensor
    product: Tensor
    h: Tensor
    labels: Tensor
    line: Tensor
    kept: Tensor


class Tile(NamedTuple):
    """One tile of the input, and what is left out of it.

    Attributes:
        x: (b, C, k), a part of y_pred.
        truth: (b, k) labels or (b, C, k) maps per class.
        kept: (b, 1, k) floats, 0 where a voxel is ignored, or None.
        joined: (row, channel, channel that it is added to) of every merged channel.
        labels: (b, 1, k), the labels as floats, where they were needed already.
    """

    x: Tensor
    truth: Tensor
    kept: Tensor | None
    joined: list[tuple[int, int, int]]
    labels: Tensor | None = None


def working_dtype(y_pred: Tensor) -> torch.dtype:
    """Half precision is lifted to float32 before anything is computed from it."""
    return torch.float64 if y_pred.dtype == torch.float64 else torch.float32


def tile_sums(
    tile: Tile,
    activation: str | None,
    norm: str,
    scratch: Scratch,
    extremes: list[Tensor],
) -> list[Tensor]:
    """The three sums of one tile, each of shape (b, C); appends to the extremes."""
    p, h = _probabilities(tile, activation, scratch), _one_hot(tile, scratch)
    product = scratch.product
    if activation is None:
        extremes += torch.aminmax(p)
    if tile.truth.ndim == 3 or (h.shape[1] == 1 and tile.kept is not None):
        extremes += torch.aminmax(h)
    if tile.joined:
        p = scratch.p.copy_(p) if activation is None else p  # not into y_pred itself
        for maps in (p, h):
            for b, c, target in tile.joined:
                maps[b, target] += maps[b, c]
                maps[b, c] = 0
    intersection = torch.mul(p, h, out=product).sum(-1)
    if norm == "l1":
        return [intersection, p.sum(-1), h.sum(-1)]
    predicted = torch.mul(p, p, out=product).sum(-1)
    return [intersection, predicted, torch.mul(h, h, out=product).sum(-1)]


def tile_gradient(
    tile: Tile,
    activation: str | None,
    norm: str,
    coefficients: tuple[Tensor, Tensor],
    scratch: Scratch,
) -> Tensor:
    """The gradient of one tile, shape (b, C, k), in one of its scratches."""
    slope, level = coefficients
    p, product = _probabilities(tile, activation, scratch), scratch.product
    # With an activation p is 0 at an ignored voxel, and with it the gradient.
    h = _one_hot(tile if activation is None else tile._replace(kept=None), scratch)
    for b, c, target in tile.joined:
        h[b, target] += h[b, c]
    g = h.mul_(slope)
    if norm == "l1":
        g += level
    else:
        g.addcmul_(p, level, value=2)
        for b, c, target in tile.joined:
            g[b, target].addcmul_(p[b, c], level[b, target], value=2)
    for b, c, target in tile.joined:
        g[b, c] = g[b, target]
    if activation is None:
        return g if tile.kept is None else g.mul_(tile.kept)
    if activation == "sigmoid":
        return torch.ops.aten.sigmoid_backward.grad_input(g, p, grad_input=product)
    torch.mul(g, p, out=product)  # p (g - sum of g p over the channels)
    return product.addcmul_(p, torch.sum(product, 1, keepdim=True, out=scratch.line), value=-1)


def _probabilities(tile: Tile, activation: str | None, scratch: Scratch) -> Tensor:
    """Probabilities of one tile in the working dtype, 0 at ignored voxels.

    They are the input itself, where nothing is to be done to it, or written to the scratch.
    """
    x, kept = tile.x, tile.kept
    p, line = scratch.p, scratch.line
    if x.dtype != p.dtype:
        x = p.copy_(x)
    if activation is None:
        return x if kept is None else torch.mul(x, kept, out=p)
    if activation == "sigmoid":
        torch.sigmoid(x, out=p)
        return p if kept is None else p.mul_(kept)
    # torch.softmax starts all threads however small the tile is, and waits for them. Of torch's
    # exponentials exp2 is by far the fastest.
    torch.sub(x, torch.amax(x, 1, keepdim=True, out=line), out=p).mul_(_LOG2_E).exp2_()
    torch.sum(p, 1, keepdim=True, out=line)
    return p.div_(line) if kept is None else p.mul_(torch.div(kept, line, out=line))


def _one_hot(tile: Tile, scratch: Scratch) -> Tensor:
    """The truth of one tile per channel, shape (b, C, k), 0 at ignored voxels.

    As floats, since that vectorises. Labels of a single channel are copied: they are 0 and 1,
    which the caller checks.
    """
    h, truth, kept = scratch.h, tile.truth, tile.kept
    if truth.ndim == 3:
        return h.copy_(truth) if kept is None else torch.mul(truth, kept, out=h)
    if h.shape[1] == 1:
        h.copy_(truth.unsqueeze(1) if tile.labels is None else tile.labels)
        return h if kept is None else h.mul_(kept)
    labels = tile.labels
    if labels is None:
        labels = scratch.labels.copy_(truth.unsqueeze(1))
    channels = _channel_labels(h.shape[1], h.dtype, h.device)
    if kept is None:
        return torch.eq(labels, channels, out=h)
    return torch.eq(labels.add_(1).mul_(kept), channels + 1, out=h)  # no channel is 0 now


@cache
def _channel_labels(channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.arange(channels, dtype=dtype, device=device).unsqueeze(1)


def kept_voxels(
    labels: Tensor | None, mask: Tensor | None, ignore_index: int | None, out: Tensor
) -> Tensor | None:
    """1 at the voxels of a tile that count and 0 at the others, or None if all do."""
    if labels is not None and ignore_index is not None:
        torch.ne(labels, ignore_index, out=out)
        return out if mask is None else out.mul_(mask.unsqueeze(1))
    return None if mask is None else out.copy_(mask.unsqueeze(1))

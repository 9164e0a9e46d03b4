"""The two passes in plain torch, tile by tile, so that every temporary stays in the cache.

A tile is a part of the volume (or, for small volumes, several batch elements) so small that its
probabilities and its one-hot map never leave the processor's cache. Its scratch memory is reused:
fresh memory for every tile would cost more in page faults than the arithmetic does, and the sums
that are kept would leave holes between it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from math import e, log2
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

# Values per tile. 2^16 floats are 256 KiB, three of which fit a usual second-level cache. Several
# threads take half of it: below 2^15 values torch runs an operation in the thread that calls it.
# What fits the cache as a whole is one tile. On an accelerator a tile only bounds the memory.
_TILE, _TILE_ALONE, _ONE_TILE, _TILE_ACCELERATOR = 31 * 2**10, 2**16, 2**17, 2**22
# Threads work on separate tiles: a barrier after every small operation costs more than the
# operation, and on a busy machine many times more. Python's lock takes its share of every
# operation, so that two threads gain nothing over one, and many little over a few.
_TILES_PER_THREAD, _MOST_THREADS = 8, 8

_LOG2_E = log2(e)

T = TypeVar("T")


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
    """

    x: Tensor
    truth: Tensor
    kept: Tensor | None
    joined: list[tuple[int, int, int]]


def tiled_sums(
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
        y_pred: Shape (B, C, *spatial).
        y: Label map (B, *spatial) or maps per class (B, C, *spatial).
        activation: None, "sigmoid" or "softmax".
        norm: "l1" or "l2".
        mask: (B, *spatial) bool, False where a voxel is ignored.
        ignore_index: Label whose voxels are ignored.
        into: (B, C) int64, the channel that each channel is added to after the activation.

    Returns:
        The sums, shape (3, B, C), and the lowest and highest values met of what should lie in
        [0, 1]: probabilities, maps per class, labels of a single channel.
    """
    maps, truth = _flat(y_pred, y)
    cut = _cutter(maps, truth, mask, ignore_index, into)

    def work(part: slice) -> tuple[dict[int, list[Tensor]], list[Tensor]]:
        sums: dict[int, list[Tensor]] = {}  # by the first row of a tile
        extremes: list[Tensor] = []
        for rows, columns, scratch in _tiles(maps, part):
            tile = cut(rows, columns, scratch)
            sums.setdefault(rows.start, []).extend(
                _tile_sums(tile, activation, norm, scratch, extremes)
            )
        return sums, extremes

    results = _in_threads(work, maps)
    extremes = [value for _, values in results for value in values]
    masked = mask is not None or ignore_index is not None
    if truth.ndim == 2 and maps.shape[1] == 1 and truth.dtype != torch.bool and not masked:
        extremes += torch.aminmax(truth)
    return _total([sums for sums, _ in results]), extremes


def tiled_gradient(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    coefficients: Tensor,
    mask: Tensor | None = None,
    ignore_index: int | None = None,
    into: Tensor | None = None,
) -> Tensor:
    """Second pass, see `sums.overlap_gradient`; the other arguments are those of `tiled_sums`."""
    maps, truth = _flat(y_pred, y)
    cut = _cutter(maps, truth, mask, ignore_index, into)
    slope, level = coefficients.to(working_dtype(y_pred)).unsqueeze(-1)
    gradient = torch.empty_like(maps)

    def work(part: slice) -> Tensor:
        for rows, columns, scratch in _tiles(maps, part):
            tile = cut(rows, columns, scratch)
            g = _tile_gradient(tile, activation, norm, (slope[rows], level[rows]), scratch)
            if g.shape == maps.shape and g.dtype == maps.dtype:
                return g
            gradient[rows, :, columns] = g
        return gradient

    return _in_threads(work, maps)[0].view(y_pred.shape)


def _total(parts: list[dict[int, list[Tensor]]]) -> Tensor:
    """Add the sums of all tiles, in float64 where the device has it: shape (3, B, C)."""
    rows = []
    for row in parts[0]:
        tiles = torch.stack([sums for part in parts for sums in part[row]])
        double = torch.float32 if tiles.device.type == "mps" else torch.float64
        tiles = tiles.view(-1, 3, *tiles.shape[1:])
        rows.append(tiles.sum(0, dtype=double))
    return rows[0] if len(rows) == 1 else torch.cat(rows, 1)


def working_dtype(y_pred: Tensor) -> torch.dtype:
    """Half precision is lifted to float32 before anything is computed from it."""
    return torch.float64 if y_pred.dtype == torch.float64 else torch.float32


def _tile_sums(
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


def _tile_gradient(
    tile: Tile,
    activation: str | None,
    norm: str,
    coefficients: tuple[Tensor, Tensor],
    scratch: Scratch,
) -> Tensor:
    """The gradient of one tile, shape (b, C, k), in one of its scratches."""
    slope, level = coefficients
    p, product = _probabilities(tile, activation, scratch), scratch.product
    h = _one_hot(tile, scratch)
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
    # With an activation p is 0 at an ignored voxel, and with it the gradient.
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
        h.copy_(truth.unsqueeze(1))
        return h if kept is None else h.mul_(kept)
    labels = scratch.labels.copy_(truth.unsqueeze(1))
    if kept is not None:
        labels.add_(1).mul_(kept).sub_(1)  # -1, which has no channel
    return torch.eq(labels, _channel_labels(h.shape[1], h.dtype, h.device), out=h)


@cache
def _channel_labels(channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.arange(channels, dtype=dtype, device=device).unsqueeze(1)


def _flat(y_pred: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return y_pred.flatten(2), y.flatten(2 if y.ndim == y_pred.ndim else 1)


def _cutter(
    maps: Tensor,
    truth: Tensor,
    mask: Tensor | None,
    ignore_index: int | None,
    into: Tensor | None,
) -> Callable[[slice, slice, Scratch], Tile]:
    """A function that cuts the tile of some rows and columns out of everything."""
    mask = None if mask is None else mask.flatten(1)
    targets = enumerate([] if into is None else into.tolist())
    joined = [(b, c, to) for b, row in targets for c, to in enumerate(row) if to != c]

    def cut(rows: slice, columns: slice, scratch: Scratch) -> Tile:
        x, t = maps, truth
        m, here = mask, joined
        if scratch.p.shape != maps.shape:
            x, t = maps[rows, :, columns], truth[rows, ..., columns]
            m = None if m is None else m[rows, columns]
            here = [(b - rows.start, c, to) for b, c, to in joined if rows.start <= b < rows.stop]
        return Tile(x, t, _kept(t, m, ignore_index, scratch.kept), here)

    return cut


def _kept(
    truth: Tensor, mask: Tensor | None, ignore_index: int | None, out: Tensor
) -> Tensor | None:
    """1 at the voxels of a tile that count and 0 at the others, or None if all do."""
    if ignore_index is not None:
        torch.ne(truth.unsqueeze(1), ignore_index, out=out)
        return out if mask is None else out.mul_(mask.unsqueeze(1))
    return None if mask is None else out.copy_(mask.unsqueeze(1))


def _tiles(maps: Tensor, part: slice) -> Iterator[tuple[slice, slice, Scratch]]:
    """Rows and columns of every tile of a part, with the scratch memory for it."""
    batch, channels, _ = maps.shape
    size = _TILE_ACCELERATOR
    if maps.device.type == "cpu":
        size = _TILE if torch.get_num_threads() > 1 else _TILE_ALONE
        size = maps.numel() if maps.numel() <= _ONE_TILE else size
    voxels = part.stop - part.start
    rows = min(max(size // (channels * voxels), 1), batch)
    columns = min(max(size // channels, 1), voxels)
    scratch = None
    for column in range(part.start, part.stop, columns):
        end = min(column + columns, part.stop)  # columns outside: the shape changes at the end only
        for row in range(0, batch, rows):
            shape = (min(rows, batch - row), channels, end - column)
            if scratch is None or scratch.p.shape != shape:
                shapes = [shape] * 3 + [(shape[0], 1, shape[2])] * 3
                dtype = working_dtype(maps)
                scratch = Scratch(*(maps.new_empty(each, dtype=dtype) for each in shapes))
            yield slice(row, row + shape[0]), slice(column, end), scratch


def _in_threads(work: Callable[[slice], T], maps: Tensor) -> list[T]:
    """Run the work on equal parts of the voxels, in half as many threads as torch may use."""
    voxels = maps.shape[2]
    threads = 1
    if maps.device.type == "cpu":
        worth = maps.numel() // (_TILE * _TILES_PER_THREAD)
        threads = min(torch.get_num_threads() // 2, _MOST_THREADS, worth)
    if threads <= 1:
        return [work(slice(0, voxels))]
    bounds = [voxels * i // threads for i in range(threads + 1)]

    def without_graph(i: int) -> T:  # a new thread starts with autograd on
        with torch.no_grad():
            return work(slice(bounds[i], bounds[i + 1]))

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(without_graph, range(threads)))

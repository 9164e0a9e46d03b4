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
    """Memory of one tile: three tensors of its shape (b, C, k), two of shape (b, 1, k)."""

    p: Tensor
    product: Tensor
    h: Tensor
    labels: Tensor
    line: Tensor


def tiled_sums(
    y_pred: Tensor, y: Tensor, activation: str | None, norm: str
) -> tuple[Tensor, list[Tensor]]:
    """First pass, see `sums.overlap_sums`.

    Returns:
        The sums, shape (3, B, C), and the lowest and highest values met of what should lie in
        [0, 1]: probabilities, maps per class, labels of a single channel.
    """
    maps, truth = _flat(y_pred, y)

    def work(part: slice) -> tuple[dict[int, list[Tensor]], list[Tensor]]:
        sums: dict[int, list[Tensor]] = {}  # by the first row of a tile
        extremes: list[Tensor] = []
        for rows, columns, scratch in _tiles(maps, part):
            x, t = _cut(maps, truth, rows, columns)
            sums.setdefault(rows.start, []).extend(
                _tile_sums(x, t, activation, norm, scratch, extremes)
            )
        return sums, extremes

    results = _in_threads(work, maps)
    extremes = [value for _, values in results for value in values]
    if truth.ndim == 2 and maps.shape[1] == 1 and truth.dtype != torch.bool:
        extremes += torch.aminmax(truth)
    return _total([sums for sums, _ in results]), extremes


def tiled_gradient(
    y_pred: Tensor, y: Tensor, activation: str | None, norm: str, coefficients: Tensor
) -> Tensor:
    """Second pass, see `sums.overlap_gradient`."""
    maps, truth = _flat(y_pred, y)
    slope, level = coefficients.to(working_dtype(y_pred)).unsqueeze(-1)
    gradient = torch.empty_like(maps)

    def work(part: slice) -> Tensor:
        for rows, columns, scratch in _tiles(maps, part):
            x, t = _cut(maps, truth, rows, columns)
            g = _tile_gradient(x, t, activation, norm, (slope[rows], level[rows]), scratch)
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
    x: Tensor,
    truth: Tensor,
    activation: str | None,
    norm: str,
    scratch: Scratch,
    extremes: list[Tensor],
) -> list[Tensor]:
    """The three sums of one tile, each of shape (b, C); appends to the extremes."""
    p, h = _probabilities(x, activation, scratch), _one_hot(truth, scratch)
    product = scratch.product
    if activation is None:
        extremes += torch.aminmax(p)
    if truth.ndim == 3:
        extremes += torch.aminmax(h)
    intersection = torch.mul(p, h, out=product).sum(-1)
    if norm == "l1":
        return [intersection, p.sum(-1), h.sum(-1)]
    predicted = torch.mul(p, p, out=product).sum(-1)
    return [intersection, predicted, torch.mul(h, h, out=product).sum(-1)]


def _tile_gradient(
    x: Tensor,
    truth: Tensor,
    activation: str | None,
    norm: str,
    coefficients: tuple[Tensor, Tensor],
    scratch: Scratch,
) -> Tensor:
    """The gradient of one tile, shape (b, C, k), in one of its scratches."""
    slope, level = coefficients
    p, into = _probabilities(x, activation, scratch), scratch.product
    g = _one_hot(truth, scratch).mul_(slope)
    if norm == "l1":
        g += level
    else:
        g.addcmul_(p, level, value=2)
    if activation is None:
        return g
    if activation == "sigmoid":
        return torch.ops.aten.sigmoid_backward.grad_input(g, p, grad_input=into)
    torch.mul(g, p, out=into)  # p (g - sum of g p over the channels)
    return into.addcmul_(p, torch.sum(into, 1, keepdim=True, out=scratch.line), value=-1)


def _probabilities(x: Tensor, activation: str | None, scratch: Scratch) -> Tensor:
    """Probabilities of one tile in the working dtype: x itself, or written to the scratch."""
    p, line = scratch.p, scratch.line
    if x.dtype != p.dtype:
        x = p.copy_(x)
    if activation is None:
        return x
    if activation == "sigmoid":
        return torch.sigmoid(x, out=p)
    # torch.softmax starts all threads however small the tile is, and waits for them. Of torch's
    # exponentials exp2 is by far the fastest.
    torch.sub(x, torch.amax(x, 1, keepdim=True, out=line), out=p).mul_(_LOG2_E).exp2_()
    return p.div_(torch.sum(p, 1, keepdim=True, out=line))


def _one_hot(truth: Tensor, scratch: Scratch) -> Tensor:
    """The truth of one tile per channel, shape (b, C, k); as floats, since that vectorises.

    Labels of a single channel are copied: they are 0 and 1, which the caller checks.
    """
    h = scratch.h
    if truth.ndim == 3:
        return h.copy_(truth)
    if h.shape[1] == 1:
        return h.copy_(truth.unsqueeze(1))
    labels = scratch.labels.copy_(truth.unsqueeze(1))
    return torch.eq(labels, _channel_labels(h.shape[1], h.dtype, h.device), out=h)


@cache
def _channel_labels(channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.arange(channels, dtype=dtype, device=device).unsqueeze(1)


def _flat(y_pred: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return y_pred.flatten(2), y.flatten(2 if y.ndim == y_pred.ndim else 1)


def _cut(maps: Tensor, truth: Tensor, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
    if rows.stop - rows.start == maps.shape[0] and columns.stop - columns.start == maps.shape[2]:
        return maps, truth
    return maps[rows, :, columns], truth[rows, ..., columns]


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
                shapes = [shape] * 3 + [(shape[0], 1, shape[2])] * 2
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

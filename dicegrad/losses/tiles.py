"""The two passes in plain torch, tile by tile, so that every temporary stays in the cache.

A tile is a part of the volume (or, for small volumes, several batch elements) so small that its
probabilities and its one-hot map never leave the processor's cache. Its scratch memory is reused:
fresh memory for every tile would cost more in page faults than the arithmetic does, and the sums
that are kept would leave holes between it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from dicegrad.losses.tile import (
    Scratch,
    Tile,
    kept_voxels,
    tile_gradient,
    tile_sums,
    working_dtype,
)

# Values per tile. 2^16 floats are 256 KiB, three of which fit a usual second-level cache. Several
# threads take half of it: below 2^15 values torch runs an operation in the thread that calls it.
# What fits the cache as a whole is one tile. On an accelerator a tile only bounds the memory.
_TILE, _TILE_ALONE, _ONE_TILE, _TILE_ACCELERATOR = 31 * 2**10, 2**16, 2**17, 2**22
# Threads work on separate tiles: a barrier after every small operation costs more than the
# operation, and on a busy machine many times more. Python's lock takes its share of every
# operation, so that two threads gain nothing over one, and many little over a few.
_TILES_PER_THREAD, _MOST_THREADS = 8, 8

T = TypeVar("T")


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
                tile_sums(tile, activation, norm, scratch, extremes)
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
            g = tile_gradient(tile, activation, norm, (slope[rows], level[rows]), scratch)
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
    mask = None if mask is None else mask.flatten(1).view(torch.uint8)  # is copied faster
    targets = enumerate([] if into is None else into.tolist())
    joined = [(b, c, to) for b, row in targets for c, to in enumerate(row) if to != c]

    def cut(rows: slice, columns: slice, scratch: Scratch) -> Tile:
        x, t = maps, truth
        m, here = mask, joined
        if scratch.p.shape != maps.shape:
            x, t = maps[rows, :, columns], truth[rows, ..., columns]
            m = None if m is None else m[rows, columns]
            here = [(b - rows.start, c, to) for b, c, to in joined if rows.start <= b < rows.stop]
        labels = None
        if ignore_index is not None:  # as floats: comparing them vectorises
            labels = scratch.labels.copy_(t.unsqueeze(1))
        return Tile(x, t, kept_voxels(labels, m, ignore_index, scratch.kept), here, labels)

    return cut


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

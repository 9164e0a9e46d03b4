"""Arrays in .npy files: written whole, read without running anything from them."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Literal

import numpy as np

from dicegrad.errors import InputError, one_line
from dicegrad.whole import whole_path

# What NumPy raises depends on where a file is damaged.
_DAMAGED = (OSError, ValueError, EOFError, SyntaxError, OverflowError, MemoryError, TokenError)


@contextmanager
def new_array(path: Path, shape: Sequence[int], dtype: type) -> Iterator[np.ndarray]:
    """A memory-mapped .npy file to be filled, which appears at `path` once the block is left.

    Raises:
        InputError: The disk has no room for it. The room is taken before the first value is
            written, since a memory map that runs out of disk kills the process.
    """
    with whole_path(path) as temporary:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": tuple(shape)}
        with temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            size = file.tell() + math.prod(shape) * np.dtype(dtype).itemsize
            file.flush()
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:  # pragma: no cover - macOS
                file.truncate(size)
        array = np.load(temporary, mmap_mode="r+")
        yield array
        array.flush()
        del array


def open_array(
    path: Path | str,
    dtype: type,
    shape: Sequence[int | None],
    mode: Literal["r", "c"] = "r",
) -> np.ndarray:
    """A memory-mapped array that is as it is expected to be.

    Args:
        path: The .npy file.
        dtype: Its number type.
        shape: The length of each axis; None where any is right.
        mode: `r` to read, `c` to write to a copy of the pages in memory.

    Raises:
        InputError: The file is missing, cut, or no array of numbers, or has another type or shape.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; prepare the dataset with the workflow first")
    try:
        array = np.load(path, mmap_mode=mode, allow_pickle=False)
    except _DAMAGED as error:
        raise InputError(
            f"{path}: is no array of numbers, or is cut ({one_line(error)[:120]}); delete it to "
            "make it again"
        ) from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: is an archive, not an array; delete it to make it again")
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        sizes = ", ".join("any" if length is None else str(length) for length in shape)
        raise InputError(
            f"{path}: holds {array.dtype} of shape {array.shape}, but {np.dtype(dtype)} of shape "
            f"({sizes}) is expected; delete it to make it again"
        )
    return array

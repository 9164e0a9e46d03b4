"""Large .npy files that appear whole or not at all."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to, and move it there once it is written and on disk.

    The temporary name keeps the suffix, which some writers go by. Nothing stays after an error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


@contextmanager
def new_array(path: Path, shape: Sequence[int], dtype: type) -> Iterator[np.ndarray]:
    """A memory-mapped .npy file to be filled, which appears at ``path`` once the block is left."""
    with atomic_path(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=tuple(shape))
        yield array
        array.flush()
        del array

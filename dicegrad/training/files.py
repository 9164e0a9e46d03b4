"""Files that are there whole or not at all."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dicegrad.errors import InputError, first_line


@contextmanager
def whole_file(path: Path, lasting: bool = True) -> Iterator[BinaryIO]:
    """Write a file so that at any moment the old one or the new one is there.

    Args:
        path: Where to; its folder is made.
        lasting: Wait until the disk has the file and its name, so that a machine that loses its
            power keeps one of the two as well. What is cheap to make again need not wait.

    Yields:
        A file to write bytes to.

    Raises:
        InputError: The disk does not take it; the previous file is intact.
    """
    temporary = unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        temporary.replace(path)
        if lasting:
            _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # torch wraps a full disk in a RuntimeError
        temporary.unlink(missing_ok=True)
        raise InputError(
            f"{path}: could not be written ({first_line(error)}); free some space and start again: "
            "training goes on from the checkpoint before"
        ) from error


def unfinished(path: Path) -> Path:
    """Where a file is while it is written; what a kill in that moment leaves behind.

    Each machine has its own: a node that a cluster has lost may go on training while another has
    taken its job over, and two of them must not write one file.
    """
    return path.with_name(f".{path.name}.{platform.node()}.part")


def _sync_folder(folder: Path) -> None:
    """A new name is on the disk only once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

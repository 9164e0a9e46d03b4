"""A lock on a folder that dies with the process that holds it."""

import fcntl
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from dicegrad.errors import InputError

NAME = ".lock"
_PAUSE = 0.2  # seconds between two attempts


@contextmanager
def locked(
    folder: Path, wait: float = 10.0, report: Callable[[str], None] = lambda line: None
) -> Iterator[None]:
    """Hold a folder, so that two processes never write into it at a time.

    The operating system ends the lock with the process, however that ends.

    Args:
        folder: Made if it is not there.
        wait: Seconds to wait for a process that holds it; one that was told to stop may be writing
            its last checkpoint.
        report: Takes a line where the file system has no locks; then there is none.

    Raises:
        InputError: Another process holds it; names the process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    until = time.monotonic() + wait
    try:
        file = _take(path)
        while file is None:
            if time.monotonic() > until:
                raise InputError(_held(path))
            time.sleep(_PAUSE)
            file = _take(path)
    except OSError as error:
        report(f"{folder}: cannot be locked ({error.strerror or error}); let one process use it")
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # before it is released, so that nobody takes what is about to go
        file.close()


def _take(path: Path) -> TextIO | None:
    """Take a lock, or None if another process has it."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_at(file, path):  # the process that held it has removed it since
            file.close()
            return None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}, {time.strftime('%F %T')}")
        file.flush()
    except BlockingIOError:
        file.close()
        return None
    except OSError:
        file.close()
        raise
    return file


def _is_at(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _held(path: Path) -> str:
    try:
        holder = path.read_text(errors="replace").strip()
    except OSError:
        holder = ""
    return (
        f"{path.parent}: is in use by {holder or 'another process'}; wait for it or end it, and "
        "start again"
    )

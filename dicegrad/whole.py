"""Files that appear whole or not at all."""

import os
import platform
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dicegrad.checksums import EDITABLE, checksum, sum_file
from dicegrad.errors import InputError, first_line, remedy


@contextmanager
def whole_file(path: Path, lasting: bool = True, checked: bool = True) -> Iterator[BinaryIO]:
    """Write a file so that at any moment either the old one or the new one is there.

    Args:
        path: Where to; its folder is made.
        lasting: Wait until the disk has the file and its name, so that one of the two also
            survives a power failure. What is cheap to make again need not wait.
        checked: Write its checksum beside it, for those who read it; see `dicegrad.checksums`.

    Yields:
        A file to write bytes to.

    Raises:
        InputError: The disk does not take it; the previous file is intact.
    """
    with whole_path(path, lasting, checked) as temporary, temporary.open("wb") as file:
        yield file
        file.flush()


@contextmanager
def whole_path(path: Path, lasting: bool = True, checked: bool = True) -> Iterator[Path]:
    """As `whole_file`, for writers that take the name of a file.

    Yields:
        A path beside `path`, with its suffix, since some writers go by that. What is written there
        moves to `path` at the end; nothing stays after an error.

    Raises:
        InputError: The disk does not take it; the previous file is intact.
    """
    temporary, beside = unfinished(path), sum_file(path)
    checked = checked and path.name not in EDITABLE
    temporary_sum = unfinished(beside)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(path)
        yield temporary
        if lasting:
            _sync(temporary)
        if checked:
            temporary_sum.write_text(checksum(temporary))
            if lasting:
                _sync(temporary_sum)
        # In this order, so that no file is ever beside the checksum of another.
        beside.unlink(missing_ok=True)
        temporary.replace(path)
        if checked:
            temporary_sum.replace(beside)
        if lasting:
            _sync(path.parent)
    except OSError as error:
        ours = (temporary, path, path.parent, temporary_sum, beside)
        if error.filename is not None and Path(error.filename) not in ours:
            raise  # of another file, which the caller's code has read
        raise InputError(
            f"{path}: could not be written ({first_line(error)}); {remedy(error)}, and start "
            "again: what was written before is kept"
        ) from error
    finally:
        for each in (temporary, temporary_sum):
            with suppress(OSError):
                each.unlink(missing_ok=True)


def unfinished(path: Path) -> Path:
    """Where a file is while it is written, and what a kill in that moment leaves behind.

    Host, process and a random part are in the name: a process that was thought dead and the one
    that replaced it must not write one file.
    """
    unique = f"{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f".{unique}.part.{path.name}")


def remove_unfinished(path: Path) -> None:
    """Remove what kills left of a file, also those on another machine."""
    for name in (path.name, sum_file(path).name):
        for part in path.parent.glob(f".*.part.{name}"):
            part.unlink(missing_ok=True)


def _remove_orphans(path: Path) -> None:
    """Remove what kills left of a file on this machine; others may be writing it elsewhere."""
    here = f".{platform.node()}-"
    ends = tuple(f".part.{name}" for name in (path.name, sum_file(path).name))
    with os.scandir(path.parent) as entries:
        names = [each.name for each in entries if each.name.startswith(here)]
    for name in names:
        process = name.removeprefix(here).partition("-")[0]
        if name.endswith(ends) and process.isdecimal() and not _lives(int(process)):
            path.with_name(name).unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is another user's, or no number of a process
        pass
    return True


def _sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

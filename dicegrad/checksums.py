"""Checksums of the files that one stage writes and another reads.

Beside `images.npy` lies the hidden file `.images.npy.sum` with the length and the CRC-32 of it.
All that is written through `dicegrad.whole` has one; a job verifies all its inputs once, before it
reads them. A file without one is accepted, such as those of earlier versions. CRC-32 is against
damage, not against attacks; of what Python has it is the fastest that detects every change of up
to four bytes in a row.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from dicegrad.errors import InputError

# Tables that a user may edit; their readers check each row.
EDITABLE = ("folds.tsv",)
_BLOCK = 1 << 22  # bytes
_UNFINISHED = re.compile(r"\..*-[0-9]+-[0-9a-f]{8}\.part\.")  # see `whole.unfinished`


def sum_file(path: Path) -> Path:
    """Where the checksum of a file lies.

    Example:
        >>> sum_file(Path("resources/images.npy")).as_posix()
        'resources/.images.npy.sum'
    """
    return path.with_name(f".{path.name}.sum")


def checksum(path: Path) -> str:
    """Length and CRC-32 of a file, as they stand in its `sum_file`."""
    size, value = 0, 0
    block = bytearray(_BLOCK)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            value = zlib.crc32(memoryview(block)[:count], value)
            size += count
    return f"{size} {value:08x}\n"


def verify(path: Path | str, delete: Path | None = None) -> None:
    """See that a file is as it was written, once in the life of a process.

    Args:
        path: The file; one that is not there is left to its reader.
        delete: What to delete to make it again, if not the file itself.

    Raises:
        InputError: It is not.
    """
    path = Path(path)
    try:
        expected = sum_file(path).read_text(errors="replace")
        state = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InputError(
            f"{path}: cannot be compared with {sum_file(path).name} beside it, which cannot be "
            f"read ({error.strerror or error}); check that disk"
        ) from None
    if expected and path.name not in EDITABLE:
        _verify(path, expected, delete or path, state.st_size, state.st_mtime_ns, state.st_ino)


@cache  # by size, date and inode, since a file that changed is another one
def _verify(path: Path, expected: str, delete: Path, size: int, date: int, inode: int) -> None:
    written = expected.partition(" ")[0]
    if written.isdecimal() and int(written) != size:
        what = f"has {size} bytes, but {written} were written"
    else:
        try:
            what = "" if checksum(path) == expected else "has changed since it was written"
        except OSError as error:
            what = f"cannot be read ({error.strerror or error})"
    if what:
        raise InputError(
            f"{path}: {what}; delete {delete} to make it again, or, if the change is yours, delete "
            f"{sum_file(path).name} beside it"
        )


def verify_all(paths: Iterable[Path | str]) -> None:
    """See that files, and all files in folders, are as they were written.

    Raises:
        InputError: One is not, or is gone from its folder.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            verify(path)
            continue
        for file in _summed(path):
            if not file.is_file():
                raise InputError(f"{file}: is missing; delete {path} to make it again")
            verify(file, delete=path)


def _summed(folder: Path) -> Iterator[Path]:
    """The files in a folder that have, or had, a checksum."""
    for each in sorted(folder.glob(".*.sum")):
        if not _UNFINISHED.match(each.name):
            yield each.with_name(each.name.removeprefix(".").removesuffix(".sum"))

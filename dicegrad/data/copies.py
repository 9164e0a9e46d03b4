"""Copies of an image under two subjects: a patient who would be in two folds.

They are reported and not refused: the released ACDC data hold such a pair, and everybody has
studied them with it.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from dicegrad.data.adapter import Case
from dicegrad.data.streams import CHUNK, Inflated
from dicegrad.errors import InputError

# What the end of a gzip file says of its content: a checksum and the length.
_TRAILER = 8
_SHOWN = 10  # lines at most


def copied_images(cases: Sequence[Case]) -> Iterator[str]:
    """Lines on images of two subjects that have the same content, compressed or not.

    Images of one length alone are compared, and of compressed ones nothing but the last bytes is
    read, unless these agree.

    Args:
        cases: Of a dataset. A file that two of them name is no copy.

    Yields:
        One line for two cases. Files that cannot be read are passed over.
    """
    first: dict[object, list[tuple[Case, Path]]] = {}
    for (case, path), key in _keys(cases):
        for other, theirs in first.setdefault(key, []):
            if other.subject == case.subject or path.samefile(theirs):
                continue
            if _same(path, theirs):
                yield (
                    f"{path}: is a copy of {theirs}, and cases {case.case} and {other.case} are of "
                    "two subjects, which may fall into two folds; remove one, or give both one "
                    "subject"
                )
                break
        else:
            first[key].append((case, path))


def lines_on_copies(cases: Sequence[Case]) -> list[str]:
    """The same, no more than ten, and how many there are beyond."""
    lines = list(copied_images(cases))
    more = len(lines) - _SHOWN
    return lines[:_SHOWN] + ([f"and {more} more such copies"] if more > 0 else [])


def _keys(cases: Sequence[Case]) -> Iterator[tuple[tuple[Case, Path], object]]:
    """The images, each with what copies of it have in common."""
    plain: dict[int, list[tuple[Case, Path]]] = {}
    for case in cases:
        for path in dict.fromkeys(case.images):
            try:
                length, zipped, end = _ends(path)
            except OSError:
                continue
            if zipped:
                yield (case, path), end
            else:
                plain.setdefault(length, []).append((case, path))
    for length, each in plain.items():
        if len({case.subject for case, _ in each}) < 2:
            continue
        for case, path in each:
            try:
                yield (case, path), (length, _checksum(path))
            except OSError:
                continue


def _ends(path: Path) -> tuple[int, bool, bytes]:
    """Bytes of a file, whether it is a gzip file, and its end."""
    if not path.is_file():
        raise FileNotFoundError(path)
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
        length = os.fstat(stream.fileno()).st_size
        stream.seek(-min(length, _TRAILER), os.SEEK_END)
        return length, zipped, stream.read()


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as stream:
        while part := stream.read(CHUNK):
            value = zlib.crc32(part, value)
    return value


def _same(one: Path, two: Path) -> bool:
    """Whether two files hold the same, uncompressed."""
    try:
        with one.open("rb") as a, two.open("rb") as b:
            first = Inflated(a) if _ends(one)[1] else a
            second = Inflated(b) if _ends(two)[1] else b
            while True:
                part, other = first.read(CHUNK), second.read(CHUNK)
                if part != other:
                    return False
                if not part:
                    return True
    except (OSError, InputError, zlib.error):
        return False

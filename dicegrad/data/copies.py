"""Copies of an image: under two subjects, of whom one may be tested on, or within one case.

They are reported and not refused: the released ACDC data hold such a pair, and everybody has
studied them with it. A test set alone may hold none; see `dicegrad.data.test_set`.
"""

import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from dicegrad.data.adapter import Case
from dicegrad.data.streams import CHUNK, Inflated
from dicegrad.errors import InputError

# What the end of a gzip file says of its content: a checksum, and the length modulo 2 ** 32.
_TRAILER = struct.Struct("<II")
_SHORTEST = 18  # bytes of a gzip file of nothing
_SHOWN = 10  # lines at most


class Copy(NamedTuple):
    """An image of a case that has the content of an earlier one, of another subject."""

    case: Case
    path: Path
    other: Case
    theirs: Path


class _Content(NamedTuple):
    """What is known of a file without reading it: the checksum, if it is compressed."""

    length: int
    checksum: int | None

    def may_be(self, other: "_Content") -> bool:
        """Whether both may be the same."""
        sums = {self.checksum, other.checksum}
        return self.length == other.length and (len(sums) == 1 or None in sums)


def find_copies(cases: Sequence[Case]) -> Iterator[Copy]:
    """Images of two subjects that have the same content, compressed or not.

    Images of one length alone are compared, and of compressed ones nothing but the last bytes is
    read, unless these agree.

    Args:
        cases: Of one dataset or of several.

    Yields:
        Each copy once. Files that cannot be read are passed over.
    """
    first: dict[_Content, list[tuple[Case, Path]]] = {}
    for case, path, content in _contents(cases):
        for other, theirs in first.setdefault(content, []):
            if other.subject != case.subject and _same(path, theirs):
                yield Copy(case, path, other, theirs)
                break
        else:
            first[content].append((case, path))


def copied_images(cases: Sequence[Case]) -> Iterator[str]:
    """Lines on copies under two subjects of a dataset; a file that both name is no copy."""
    for case, path, other, theirs in find_copies(cases):
        if not path.samefile(theirs):
            yield (
                f"{path}: is a copy of {theirs}, and cases {case.case} and {other.case} are of "
                "two subjects, which may fall into two folds; remove one, or give both one "
                "subject"
            )


def copies_within(cases: Iterable[Case]) -> Iterator[str]:
    """Lines on an image of a case that is a copy of its label map, or of another channel."""
    for case in cases:
        known: list[tuple[Path, _Content]] = []
        for path in dict.fromkeys((case.label, *case.images)):
            with suppress(OSError):
                known.append((path, _content(path)))
        for (one, its), (two, content) in combinations(known, 2):
            if not (its.may_be(content) and _same(one, two)):
                continue
            if one == case.label:
                yield (
                    f"{two}: is a copy of {one}, the label map of case {case.case}, so that a "
                    "network would see the truth; put the image there"
                )
            else:
                yield (
                    f"{two}: is a copy of {one}, another channel of case {case.case}; put the "
                    "image of its own channel there"
                )


def lines_on_copies(cases: Sequence[Case]) -> list[str]:
    """Both, no more than ten of each, and how many there are beyond."""
    return [*_shown(copied_images(cases)), *_shown(copies_within(cases))]


def _shown(copies: Iterable[str]) -> list[str]:
    lines = list(copies)
    more = len(lines) - _SHOWN
    return lines[:_SHOWN] + ([f"and {more} more such copies"] if more > 0 else [])


def _contents(cases: Sequence[Case]) -> Iterator[tuple[Case, Path, _Content]]:
    """The images, each with what copies of it have in common."""
    found: list[tuple[Case, Path, _Content]] = []
    subjects: dict[int, set[str]] = {}
    for case in cases:
        for path in dict.fromkeys(case.images):
            with suppress(OSError):
                found.append((case, path, _content(path)))
                subjects.setdefault(found[-1][2].length, set()).add(case.subject)
    for case, path, content in found:
        if content.checksum is not None:
            yield case, path, content
        elif len(subjects[content.length]) > 1:
            with suppress(OSError):
                yield case, path, content._replace(checksum=_checksum(path))


def _content(path: Path) -> _Content:
    """What the size of a file, or the end of a compressed one, says of its content."""
    if not path.is_file():
        raise FileNotFoundError(path)
    with path.open("rb", buffering=0) as stream:
        length = os.fstat(stream.fileno()).st_size
        if stream.read(2) != b"\x1f\x8b" or length < _SHORTEST:
            return _Content(length % 2**32, None)
        stream.seek(-_TRAILER.size, os.SEEK_END)
        checksum, length = _TRAILER.unpack(stream.read(_TRAILER.size))
        return _Content(length, checksum)


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as stream:
        while part := stream.read(CHUNK):
            value = zlib.crc32(part, value)
    return value


def _same(one: Path, two: Path) -> bool:
    """Whether two files hold the same, uncompressed."""
    try:
        if one.samefile(two):
            return True
        with one.open("rb") as a, two.open("rb") as b:
            first = a if _content(one).checksum is None else Inflated(a)
            second = b if _content(two).checksum is None else Inflated(b)
            while True:
                part, other = first.read(CHUNK), second.read(CHUNK)
                if part != other:
                    return False
                if not part:
                    return True
    except (OSError, InputError, zlib.error):
        return False

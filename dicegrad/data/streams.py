"""Streams of bytes that hold what they promise, read in bounded memory and time."""

import os
import zlib
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from dicegrad.errors import InputError

CHUNK = 1 << 20
# What is inflated at once: it is copied on while it is still in the processor's cache.
_PART = 1 << 18
# What may stand behind the last voxel, in bytes: padding, not a second volume.
_BEHIND = 16 << 20
_EITHER = 32 + zlib.MAX_WBITS  # gzip, or zlib as in .mha
# The most that deflate can shrink; a file cannot hold more than that.
SHRINK = 1032


@dataclass(frozen=True)
class Stored:
    """Where a header of text says that its voxels are.

    Attributes:
        data: Name of the file that holds them, or None where they follow the header.
        end: Bytes of the header, or None where it does not end.
        skipped: Bytes before the voxels in the file that holds them.
        zipped: Whether they are compressed.
        known: Whether their length can be told: as numbers of the machine, compressed or not.
    """

    data: str | None
    end: int | None
    skipped: int = 0
    zipped: bool = False
    known: bool = True


class Inflated:
    """What a gzip file holds, member after member; the checksum of each is held.

    The module gzip does the same at a quarter of the speed, since it takes small bites.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._member = stream, zlib.decompressobj(_EITHER)
        self._input, self._started = b"", False

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, fewer at the end alone."""
        parts = []
        while size > 0 and (part := self._part(min(size, _PART))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _part(self, size: int) -> bytes:
        """At least one byte, unless this is the end."""
        while True:
            if self._member.eof:
                if not self._next_member():
                    return b""
            elif not self._input:
                self._input = self._stream.read(CHUNK)
                if not self._input:
                    raise InputError("truncated, its compressed data end early; fetch it again")
            part = self._member.decompress(self._input, size)
            self._input = (
                self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            )
            if part:
                return part

    def _next_member(self) -> bool:
        """Whether another one follows; zeros between and behind members are padding."""
        skipped = 0
        while True:
            rest = self._input.lstrip(b"\0")
            skipped += len(self._input) - len(rest)
            if skipped > _BEHIND:
                raise InputError(f"more than {_BEHIND >> 20} MiB stand behind it; write it again")
            if rest:
                break
            rest = self._stream.read(CHUNK)
            if not rest:
                return False
            self._input = rest
        self._input, self._member = rest, zlib.decompressobj(_EITHER)
        return True


def check_possible(stream: BinaryIO, needed: int, zipped: bool) -> None:
    """Refuse a header that asks for more than the file can hold, or the machine."""
    held = os.fstat(stream.fileno()).st_size
    most = held * SHRINK if zipped else held
    if needed > most:
        raise InputError(
            f"truncated, its header asks for {needed} bytes and the file holds "
            f"{'at most ' if zipped else ''}{most}; fetch or write it again"
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise InputError(f"needs {needed >> 30} GiB of memory, and this machine has {memory >> 30}")
    if not zipped and held > needed + _BEHIND:
        raise InputError(f"{held - needed} bytes stand behind its last voxel; write it again")


def check_length(stream: BinaryIO, end: int, zipped: bool) -> None:
    """See that all voxels are there; cheap unless something is odd.

    Args:
        stream: The file.
        end: Bytes up to the end of the last voxel, uncompressed.
        zipped: Whether it is compressed.

    Raises:
        InputError: They are not, or too much stands behind them.
    """
    check_possible(stream, end, zipped)
    if not zipped:
        return
    # The last four bytes of a gzip member are its uncompressed size modulo 2^32.
    stream.seek(-4, os.SEEK_END)
    if int.from_bytes(stream.read(4), "little") == end % 2**32:
        return
    # A cut file, or one of several members or with padding: only reading it can tell.
    stream.seek(0)
    source, held = Inflated(stream), 0
    while held < end and (part := source.read(min(CHUNK, end - held))):
        held += len(part)
    if held < end:
        raise InputError(f"truncated, {held} of {end} bytes are there; fetch or write it again")
    check_rest(source)


def fill(source: "BinaryIO | Inflated", first: bytes, start: int, stored: np.ndarray) -> None:
    """Read the bytes of the voxels, which begin at ``start`` of what ``first`` is the beginning of.

    Raises:
        InputError: The file ends early.
    """
    skip, passed = start - len(first), 0
    while passed < skip and (part := source.read(min(CHUNK, skip - passed))):
        passed += len(part)
    early = first[start:]  # a short header and small voxels: some were read with it
    view, filled = stored.data, min(len(early), len(stored))
    view[:filled] = early[:filled]
    while filled < len(stored) and (part := source.read(min(_PART, len(stored) - filled))):
        view[filled : filled + len(part)] = part
        filled += len(part)
    if filled < len(stored):
        raise InputError(
            f"truncated, {start + filled} of {start + len(stored)} bytes are there; fetch or write "
            "it again"
        )


def check_rest(source: Inflated) -> None:
    """Read to the end, so that checksums are compared.

    Raises:
        InputError: There is too much behind the voxels.
    """
    behind = 0
    while part := source.read(_PART):
        behind += len(part)
        if behind > _BEHIND:
            raise InputError(
                f"more than {_BEHIND >> 20} MiB stand behind its last voxel; write it again"
            )


def count(stream: BinaryIO, most: int) -> int:
    """How many bytes the rest of a stream inflates to, as far as they are wanted."""
    source, held = Inflated(stream), 0
    while part := source.read(CHUNK):
        held += len(part)
        if held > most + _BEHIND:
            raise InputError(f"more than {_BEHIND >> 20} MiB stand behind its voxels")
    return held

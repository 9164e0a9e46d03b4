"""Pages of TIFF files, seen to be alike before ITK reads them as the slices of one volume.

ITK takes the size of the first page for that of all. Where another one is of another size or kind
it writes beyond its memory, or leaves slices as they happen to be.
The format: TIFF 6.0, section 2, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
"""

import os
import struct
from typing import BinaryIO

from dicegrad.errors import InputError

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# What must be the same: kind of page, width, height, bits, compression, meaning, samples, layout
# and number type.
_SAME = (254, 256, 257, 258, 259, 262, 277, 284, 339)
_NEEDED = (256, 257)
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 17: 8}
_MOST = 100_000  # pages


def check_pages(stream: BinaryIO) -> None:
    """See that all pages of a TIFF file are alike.

    Args:
        stream: The file, at its beginning; it is there again afterwards.

    Raises:
        InputError: They are not, or lead nowhere. The message does not name the file.
    """
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    large = head[:4] in MAGICS[2:]
    # Of the offset of a page, the number of its entries, and each entry.
    offset, number, entry = ("Q", "Q", "HHQ8s") if large else ("I", "H", "HHI4s")
    held = os.fstat(stream.fileno()).st_size
    try:
        (place,) = struct.unpack_from(order + offset, head, 8 if large else 4)
        first, seen = None, set[int]()
        while place:
            if place in seen or place >= held or len(seen) == _MOST:
                raise InputError(f"its page {len(seen) + 1} leads nowhere; write it again")
            seen.add(place)
            stream.seek(place)
            (count,) = struct.unpack(order + number, stream.read(struct.calcsize(number)))
            size = struct.calcsize(order + entry)
            if not 0 < count <= 4096:
                raise InputError(f"its page {len(seen)} has {count} entries; write it again")
            entries = stream.read(count * size)
            page = _page(entries, order + entry)
            if any(tag not in page for tag in _NEEDED):
                raise InputError(f"its page {len(seen)} has no width or height; write it again")
            first = first or page
            if page != first:
                raise InputError(
                    f"its page {len(seen)} is of another size or kind than the first; write one "
                    "volume per file, as .nii.gz"
                )
            (place,) = struct.unpack(order + offset, stream.read(struct.calcsize(offset)))
    except struct.error:
        raise InputError("truncated, within its pages; fetch or write it again") from None
    stream.seek(0)


def _page(entries: bytes, form: str) -> dict[int, tuple[int, int, bytes]]:
    """What must be the same of one page: tag -> type, count, and value where it stands there."""
    found = {}
    for tag, kind, count, value in struct.iter_unpack(form, entries):
        if tag in found:
            raise InputError("a page has an entry twice; write it again")
        if tag in _SAME:
            fits = _BYTES.get(kind, 1) * count <= len(value)
            found[tag] = (kind, count, value if fits else b"")
    return found

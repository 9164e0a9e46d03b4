"""Headers of NRRD files (.nrrd, .nhdr): what ITK crashes at or passes over, and where voxels are.

Everything else is checked by ITK's reader itself. The format:
https://teem.sourceforge.net/nrrd/format.html
"""

import re

from dicegrad.data.streams import Stored
from dicegrad.errors import InputError

MAGIC = b"NRRD"
_LINE = 500  # bytes of a field; ITK's reader has a buffer


def read_stored(head: bytes) -> Stored:
    """Where the voxels are.

    Args:
        head: The beginning of a file.

    Raises:
        InputError: A line is too long, or lengths are not in mm. The message does not name the
            file.
    """
    text = re.split(rb"\r?\n\r?\n", head)[0]
    lines = (line for line in re.split(rb"[\r\n]", text) if line[:1] != b"#" and b":=" not in line)
    if (longest := max(map(len, lines), default=0)) > _LINE:
        raise InputError(f"its header has a line of {longest} bytes; write it again")
    if units := _field(text, rb"(?:space )?units"):
        for unit in re.findall(r'"([^"]*)"', units):
            if unit.lower() not in ("mm", "millimeter", "millimetre", "???", ""):
                raise InputError(f"its lengths are in {unit[:40]!r}; write them in mm")
    encoding = (_field(text, rb"encoding") or "raw").lower()
    data, end = _field(text, rb"data ?file"), re.search(rb"\r?\n\r?\n", head)
    if data is None and end is None:
        raise InputError("its header does not end; write it again")
    return Stored(
        data,
        end.end() if end else None,
        zipped=encoding in ("gzip", "gz"),
        known=encoding in ("gzip", "gz", "raw"),
    )


def _field(text: bytes, name: bytes) -> str | None:
    found = re.search(rb"^" + name + rb":[ \t]*(.*?)\s*$", text, re.MULTILINE | re.IGNORECASE)
    return found[1].decode("utf-8", "surrogateescape") if found else None

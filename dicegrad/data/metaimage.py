"""Headers of MetaImage files (.mha, .mhd), checked before ITK reads them.

ITK passes over what it does not know, so that a key with one wrong letter changes the spacing and
nobody is told; and at some numbers it crashes. The fields are those of MetaIO's own readers:
https://github.com/Kitware/MetaIO
"""

import difflib
import re

from dicegrad.data.streams import Stored
from dicegrad.errors import InputError

ENDINGS = (".mha", ".mhd")
_TEXT = (
    "Comment",
    "AcquisitionDate",
    "ObjectType",
    "ObjectSubType",
    "TransformType",
    "Name",
    "Modality",
    "DistanceUnits",
    "AnatomicalOrientation",
    "ElementType",
    "ElementDataFile",
    "Color",
    "SequenceID",
)
_FLAGS = ("BinaryData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData")
_WHOLE = (
    "NDims",
    "ID",
    "ParentID",
    "HeaderSize",
    "CompressedDataSize",
    "CompressionLevel",
    "ElementNumberOfChannels",
    "ElementNBits",
)
_NUMBERS = (
    "ElementMin",
    "ElementMax",
    "ElementToIntensityFunctionSlope",
    "ElementToIntensityFunctionOffset",
)
_AXES = (
    "Position",
    "Origin",
    "Offset",
    "CenterOfRotation",
    "ElementSpacing",
    "ElementSize",
    "ImagePosition",
    "DimSize",
)
_MATRICES = ("TransformMatrix", "Rotation", "Orientation")
_KNOWN = (*_TEXT, *_FLAGS, *_WHOLE, *_NUMBERS, *_AXES, *_MATRICES)
_BY_CASE = {key.casefold(): key for key in _KNOWN}
# Names of the same thing.
_SAME = (
    ("Position", "Origin", "Offset"),
    _MATRICES,
    ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"),
)
_NEEDED = ("NDims", "DimSize", "ElementType", "ElementDataFile")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_LINE = re.compile(rb"[ \t]*([^=:\r\n]*?)[ \t]*[=:][ \t]*([^\r\n]*?)[ \t]*\r?\n")


def read_stored(head: bytes) -> Stored:
    """Read and check a header, and tell where the voxels are.

    Args:
        head: The beginning of a file.

    Raises:
        InputError: A field is missing, comes twice, is misspelt, or holds what it cannot hold. The
            message does not name the file.
    """
    fields, end = _fields(head)
    for key in _NEEDED:
        if key not in fields:
            raise InputError(f"its header has no {key}; write it again")
    if not re.fullmatch(r"[1-9]|10", fields["NDims"]):
        raise _refused(fields, "NDims", "the number of its dimensions, from 1 to 10")
    for key in fields:
        _check(fields, key, int(fields["NDims"]))
    _check_meaning(fields)
    data = fields["ElementDataFile"]
    return Stored(
        None if data.upper() == "LOCAL" else data,
        end,
        max(int(fields.get("HeaderSize", 0)), 0),
        zipped=fields.get("CompressedData", "False").lower() in ("true", "t", "1"),
    )


def _fields(head: bytes) -> tuple[dict[str, str], int]:
    """The fields up to the name of the data, and how many bytes they are."""
    fields: dict[str, str] = {}
    text, place = head + b"\n", 0
    while "ElementDataFile" not in fields and place < len(head):
        found = _LINE.match(text, place)
        if found is None:
            line = text[place : place + 40].partition(b"\n")[0].decode("ascii", "backslashreplace")
            if line.strip():
                raise InputError(f"its header has {line!r}, no 'key = value'; write it again")
            place = text.index(b"\n", place) + 1
            continue
        key, value = (part.decode("utf-8", "backslashreplace") for part in found.groups())
        if key in fields:
            raise InputError(f"its header gives {_shown(key)} twice; remove one")
        meant = difflib.get_close_matches(key[:80].casefold(), _BY_CASE, 1, 0.85)
        if key not in _KNOWN and meant:
            raise InputError(f"its header has {key!r}; is {_BY_CASE[meant[0]]} meant?")
        fields[key] = value
        place = found.end()
    return fields, place


def _check(fields: dict[str, str], key: str, axes: int) -> None:
    """See that a field holds what it can hold."""
    words = fields[key].split()
    if key in _FLAGS and fields[key].lower() not in ("true", "false", "1", "0", "t", "f"):
        raise _refused(fields, key, "True or False")
    if key in _WHOLE and not _INTEGER.fullmatch(fields[key]):
        raise _refused(fields, key, "a whole number")
    count = _count(key, axes)
    if count and (len(words) != count or not all(map(_NUMBER.fullmatch, words))):
        raise _refused(fields, key, "a number" if count == 1 else f"{count} numbers")
    # ITK takes the absolute value of a spacing.
    if key in ("ElementSpacing", "ElementSize") and not min(map(float, words)) > 0:
        raise _refused(fields, key, f"{count} numbers above 0")
    if key == "DimSize" and not all(
        _INTEGER.fullmatch(word) and 0 < int(word) < 2**31 for word in words
    ):
        raise _refused(fields, key, f"{axes} whole numbers above 0")


def _count(key: str, axes: int) -> int:
    """How many numbers a field holds; 0 of one that holds none."""
    if key in _AXES:
        return axes
    return axes**2 if key in _MATRICES else int(key in _NUMBERS)


def _check_meaning(fields: dict[str, str]) -> None:
    """Refuse what ITK passes over, though it changes voxels or their places."""
    if not re.fullmatch(r"MET_[A-Z0-9_]{1,30}", fields["ElementType"]):
        raise _refused(fields, "ElementType", "a type such as MET_SHORT")
    for names in _SAME:
        given = {tuple(fields[name].lower().split()) for name in names if name in fields}
        if len(given) > 1:
            raise InputError(f"{', '.join(n for n in names if n in fields)} differ; keep one")
    if fields.get("DistanceUnits", "mm") not in ("mm", "?", ""):
        raise _refused(fields, "DistanceUnits", "it in mm")
    if fields.get("BinaryData", "True").lower() not in ("true", "t", "1"):
        raise _refused(fields, "BinaryData", "the voxels as numbers, and True here")
    for name, nothing in (("Slope", 1), ("Offset", 0)):
        key = f"ElementToIntensityFunction{name}"
        if key in fields and float(fields[key]) != nothing:
            raise _refused(fields, key, f"the voxels as they are meant, and {nothing} here")
    if "HeaderSize" in fields:
        most = 0 if fields["ElementDataFile"].upper() == "LOCAL" else 2**40
        if not -1 <= int(fields["HeaderSize"]) <= most:
            raise _refused(fields, "HeaderSize", "0" if most == 0 else "a number of bytes")


def _refused(fields: dict[str, str], key: str, needed: str) -> InputError:
    return InputError(f"{key} is {_shown(fields[key])}; write {needed}")


def _shown(given: str) -> str:
    return repr(given if len(given) <= 60 else given[:57] + "...")

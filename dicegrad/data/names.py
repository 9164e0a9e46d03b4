"""Names that come from outside: of cases, subjects, groups and classes.

They become parts of paths, cells of tables and lines of logs. A name that would be read as another
one, or as more than a name, is refused where it comes in.
"""

import unicodedata
from collections.abc import Iterable

# Bytes. Files are called after names, and a disk takes 255 with all that is added to them.
_LONGEST = 150
# What separates paths, and what Snakemake takes for a wildcard.
_RESERVED = '/\\{}*?"<>|'
_IN_NO_PATH = ("class", "channel")


def name_problem(kind: str, name: str) -> str | None:
    """What is wrong with a name; None if nothing is.

    Args:
        kind: `case`, `subject`, `group`, `class` or `channel`, for the message. The last two are in
            no path, so that they may hold a slash, as AMOS's prostate/uterus does.
        name: As it came.

    Example:
        >>> name_problem("case", "patient001_ED")
        >>> name_problem("case", "c{0}")
        "case 'c{0}': has '{' in its name; rename it"
    """
    shown = ascii(name) if any(unicodedata.category(c)[0] == "C" for c in name) else repr(name)
    if not name or name != name.strip():
        return f"{kind} {shown}: begins or ends with a space, or is empty; rename it"
    if name.startswith((".", "-")):
        return f"{kind} {shown}: begins with {name[0]!r}; rename it"
    for character in name:
        if character in _RESERVED and not (character == "/" and kind in _IN_NO_PATH):
            return f"{kind} {shown}: has {character!r} in its name; rename it"
        if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp"):
            return (
                f"{kind} {shown}: has the invisible character U+{ord(character):04X} in its name; "
                "rename it"
            )
    if (length := len(name.encode())) > _LONGEST:
        return f"{kind} {name[:40]!r}...: its name has {length} bytes; give it at most {_LONGEST}"
    if unicodedata.normalize("NFKC", name) != name:
        return (
            f"{kind} {shown}: is written with composed or compatibility characters; write it as "
            f"{unicodedata.normalize('NFKC', name)!r}"
        )
    return None


def look_alikes(kind: str, names: Iterable[str]) -> list[str]:
    """Lines on names that differ in upper and lower case alone: one file on some disks."""
    first: dict[str, str] = {}
    problems = []
    for name in dict.fromkeys(names):
        other = first.setdefault(name.casefold(), name)
        if other != name:
            problems.append(
                f"{kind} {name!r}: differs from {other!r} in upper and lower case alone; give them "
                "different names, or the same one"
            )
    return problems

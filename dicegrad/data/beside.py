"""Tables that a user puts beside the data, and that are looked for by their name."""

import os
from pathlib import Path

from dicegrad.errors import InputError

# As a spreadsheet, an editor or a file manager that hides endings may have written it.
_LIKE = (".tsv", ".csv", ".txt", ".tsv.txt", ".csv.txt", ".tab", ".xlsx", ".xls", ".ods", "")


def find_beside(folder: Path, name: str) -> Path | None:
    """The table of that name in a folder; None if there is none.

    A table that its user wrote and that is not read would change results without a word. So
    whatever else has its name is refused.

    Args:
        folder: Where the data lie.
        name: Such as ``annotated.tsv``.

    Raises:
        InputError: What has the name is no file, such as a link that leads nowhere; or a file is
            called almost so, such as annotated.csv.
    """
    path = folder / name
    if path.is_file():
        return path
    if os.path.lexists(path):
        what = "is a link that leads nowhere" if path.is_symlink() else "is no regular file"
        raise InputError(f"{path}: {what}; put the table there, or remove it")
    stem = name.removesuffix(".tsv")
    others = sorted(folder.iterdir()) if folder.is_dir() else []
    for other in others:
        if other.name.casefold() in [stem + ending for ending in _LIKE]:
            raise InputError(
                f"{other}: would not be read; call it {name}, with its cells separated by tabs, or "
                "give it a different name"
            )
    return None

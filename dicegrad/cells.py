"""What a cell of a table may hold: text, numbers, whole numbers, or True and False."""

import math
from collections.abc import Callable
from typing import Any, Literal

Kind = Literal["text", "number", "whole", "flag"]
Cell = str | float | int | bool


def as_text(value: Any, digits: int) -> str:  # noqa: ANN401
    """A cell as it is written; NumPy's numbers are told by their Python kind."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return "nan" if math.isnan(value) else f"{value:.{digits}g}"
    return "nan" if value is None else str(value)


def _number(cell: str) -> float:
    if cell != cell.strip() or "_" in cell or not cell.isascii():
        raise ValueError(cell)
    return float(cell)


def _whole(cell: str) -> int:
    if not (cell.removeprefix("-").isdecimal() and cell.isascii()):
        raise ValueError(cell)
    if abs(value := int(cell)) >= 1 << 63:  # more than an array can hold
        raise ValueError(cell)
    return value


def _flag(cell: str) -> bool:
    if cell not in ("True", "False"):
        raise ValueError(cell)
    return cell == "True"


CONVERT: dict[Kind, Callable[[str], Cell]] = {
    "text": str,
    "number": _number,
    "whole": _whole,
    "flag": _flag,
}
MEANING = {
    "text": "text",
    "number": "numbers (nan where there is none)",
    "whole": "whole numbers",
    "flag": "True or False",
}

"""What a command prints for programs, and where it draws."""

import json
import math
from pathlib import Path
from typing import Any

from dicegrad.errors import InputError

FIGURES = (".png", ".pdf", ".svg")


def as_json(content: Any) -> str:  # noqa: ANN401
    """JSON as the standard has it: what is no finite number, such as the mean of nothing, is null.

    Example:
        >>> print(as_json({"auc": float("nan"), "k": 3}))
        {
          "auc": null,
          "k": 3
        }
    """
    return json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False)


def check_figure(path: Path | None) -> None:
    """See that a figure can be drawn, before what it shows is computed.

    Raises:
        InputError: Its ending is none of a figure, or its folder is not there.
    """
    if path is None:
        return
    if path.suffix.lower() not in FIGURES:
        raise InputError(f"{path}: a figure ends in {', '.join(FIGURES)}; name it so")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")


def _finite(content: Any) -> Any:  # noqa: ANN401
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    return [_finite(each) for each in content] if isinstance(content, list | tuple) else content

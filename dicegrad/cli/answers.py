"""What a command prints for programs."""

import json
import math
from typing import Any


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


def _finite(content: Any) -> Any:  # noqa: ANN401
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    return [_finite(each) for each in content] if isinstance(content, list | tuple) else content

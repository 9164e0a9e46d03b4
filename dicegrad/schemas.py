"""YAML files and their schemas: a fault is one line that names the file, the key and the value."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dicegrad.errors import InputError

if TYPE_CHECKING:
    from jsonschema import ValidationError

Settings = dict[str, Any]


def read_yaml(path: Path) -> Settings:
    """A YAML mapping.

    Raises:
        InputError: The file is missing, no text, not YAML, or holds no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); it should be a text file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}: not valid YAML{where}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds {content!r}; it should hold keys and values")
    return content


def check(value: Any, schema: Settings, where: str) -> None:  # noqa: ANN401
    """Hold a value against a JSON schema.

    Args:
        value: Anything YAML can hold.
        schema: JSON schema, draft 2020-12.
        where: File (and row) for the message.

    Raises:
        InputError: One line: where, which key, what came and what is allowed.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is None:
        return
    key = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties":
        known = ", ".join(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(error.schema.get("properties", {})))[0]
        name = f"{key}.{unknown}" if key else unknown
        raise InputError(f"{where}: unknown key {name}; the keys there are {known}")
    if error.validator == "required":
        absent = next(name for name in error.validator_value if name not in error.instance)
        raise InputError(f"{where}: {f'{key}.' if key else ''}{absent} is missing; add it")
    raise InputError(f"{where}: {key} is {error.instance!r}; {_what_is_allowed(error)}")


def _what_is_allowed(error: "ValidationError") -> str:
    """The end of the message, from the schema's own words where it has some."""
    if error.validator == "enum":
        return f"allowed: {', '.join(map(str, error.validator_value))}"
    about = error.schema.get("description", "")
    if about[:1].islower():  # it says what a value is; a sentence says what the key is for
        return f"it should be {about}"
    reason = "it " + error.message.removeprefix(repr(error.instance)).strip()
    if error.validator_value == "number" and re.fullmatch(
        r"[-+]?\d+e[-+]?\d+", str(error.instance)
    ):
        reason += ": YAML takes it for text, write a point and a sign, as in 1.0e-3"
    return f"{reason} ({about.rstrip('.')})" if about else reason


def with_defaults(config: Settings, schema: Settings, where: str) -> Settings:
    """The study's config, checked, with the schema's defaults filled in."""
    check(config, schema, where)
    defaults = {k: v["default"] for k, v in schema["properties"].items() if "default" in v}
    return {**defaults, **config}

"""YAML files and their schemas: a mistake is one line that names file, key and value."""

import copy
import math
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicegrad.errors import InputError, nearest, one_line
from dicegrad.files import read_text

if TYPE_CHECKING:
    import yaml
    from jsonschema import ValidationError

Settings = dict[str, Any]

FOLDER = Path(__file__).parent / "schemas"
_LARGEST = 1 << 20  # characters of a settings file
_MOST_NODES = 100_000  # keys and values, aliases written out


@cache
def _loader() -> "type[yaml.SafeLoader]":
    """YAML without what would change a value silently: keys that come twice, and dates."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
            seen: dict[Hashable, int] = {}
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue  # what `<<` brings along, a key of the mapping may replace
                key = self.construct_object(key_node, deep=True)
                line = key_node.start_mark.line + 1
                if not isinstance(key, Hashable):
                    raise InputError(f"line {line}: a key is a list or a mapping; write a word")
                if key in seen:
                    raise InputError(
                        f"line {line}: key {key!r} comes twice (first in line {seen[key]}); "
                        "remove one"
                    )
                seen[key] = line
            return super().construct_mapping(node, deep)

    # `2020-01-01` stays text, as names and versions are.
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


def read_yaml(path: Path) -> Settings:
    """A YAML mapping.

    Raises:
        InputError: The file is missing, no text, too large, not YAML, or holds no mapping; or a key
            comes twice.
    """
    import yaml

    text = read_text(path)
    if len(text) > _LARGEST:
        raise InputError(f"{path}: holds {len(text)} characters; settings have at most {_LARGEST}")
    try:
        content = _load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}: not valid YAML{where}") from error
    except (RecursionError, ValueError, OverflowError) as error:  # InputError is a ValueError
        why = error if isinstance(error, InputError) else f"not valid YAML ({one_line(error)[:80]})"
        raise InputError(f"{path}: {why}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds {shown(content)}; it should hold keys and values")
    return content


def _load(text: str) -> Any:  # noqa: ANN401
    loader = _loader()(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > _MOST_NODES:
            raise InputError(f"has more than {_MOST_NODES} values once its aliases are written out")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: "yaml.Node", known: dict[int, int]) -> int:
    """Keys and values below a node, each alias counted as what it stands for."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = _MOST_NODES + 1  # of an alias to a node around it, which never ends
    kind = getattr(node, "id", "")
    parts: list[Any] = node.value if kind == "sequence" else []
    if kind == "mapping":
        parts = [part for pair in node.value for part in pair]
    known[id(node)] = min(1 + sum(_size(part, known) for part in parts), _MOST_NODES + 1)
    return known[id(node)]


def shown(value: Any, most: int = 80) -> str:  # noqa: ANN401
    """A value as messages show it: one line of bounded length."""
    if isinstance(value, str) and len(value) > 2 * most:
        value = value[: 2 * most]
    if isinstance(value, (list, dict)) and len(value) > most:
        return f"a {type(value).__name__} of {len(value)} values"
    text = one_line(repr(value))
    return text if len(text) <= most else f"{text[:most]}..."


def read_schema(name: str) -> Settings:
    """One of the package's own schemas, such as `dataset`."""
    return read_yaml(FOLDER / f"{name}.schema.yaml")


@cache
def _validator() -> Any:  # noqa: ANN401
    """JSON schema for which nan and infinity, which any bounds let through, are no numbers.

    And `2.0` is no whole number, for Python does not count to it.
    """
    from jsonschema import Draft202012Validator, TypeChecker
    from jsonschema.validators import extend

    def is_number(_: TypeChecker, value: object) -> bool:
        return (isinstance(value, float) and math.isfinite(value)) or is_whole(_, value)

    def is_whole(_: TypeChecker, value: object) -> bool:
        return type(value) is int and abs(value) < 1 << 63  # what an array can hold

    kinds = {"number": is_number, "integer": is_whole}
    types = Draft202012Validator.TYPE_CHECKER.redefine_many(kinds)
    return extend(Draft202012Validator, type_checker=types)


def check(value: Any, schema: Settings, where: str) -> None:  # noqa: ANN401
    """Hold a value against a JSON schema.

    Args:
        value: Anything YAML can hold.
        schema: JSON schema, draft 2020-12.
        where: File (and row) for the message.

    Raises:
        InputError: One line: where, which key, what came and what is allowed.
    """
    from jsonschema.exceptions import best_match

    error = best_match(_validator()(schema).iter_errors(value))
    if error is None:
        return
    key = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = sorted(map(str, set(error.instance) - set(known)))[0]
        name = f"{key}.{unknown}" if key else unknown
        raise InputError(
            f"{where}: unknown key {name}{nearest(unknown, known)}; "
            f"the keys there are {', '.join(known)}"
        )
    if error.validator == "required":
        absent = next(name for name in error.validator_value if name not in error.instance)
        raise InputError(f"{where}: {f'{key}.' if key else ''}{absent} is missing; add it")
    raise InputError(f"{where}: {key} is {shown(error.instance)}; {_what_is_allowed(error)}")


_MEANT: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "number": float,
    "boolean": {"true": True, "false": False}.__getitem__,
}


def with_numbers(value: Settings, schema: Settings) -> Settings:
    """Settings in which text stands for a number, or a yes or no, wherever the schema wants one.

    Within lists and mappings of its option `--config`, Snakemake hands over all values as text, and
    YAML takes 1e-3, without a point, for text.
    """
    errors = list(_validator()(schema).iter_errors(value))
    found = copy.deepcopy(value)
    for error in errors:
        errors += error.context or ()
        if error.validator != "type" or not isinstance(error.instance, str):
            continue
        with suppress(KeyError, TypeError, ValueError):
            meant = _MEANT[error.validator_value](error.instance)
            *path, last = error.absolute_path
            reduce(getitem, path, found)[last] = meant
    return found


def _what_is_allowed(error: "ValidationError") -> str:
    """The end of the message, from the schema's own words where it has some."""
    if error.validator == "enum":
        allowed = [str(value) for value in error.validator_value]
        return f"allowed: {', '.join(allowed)}{nearest(error.instance, allowed)}"
    if isinstance(error.instance, float) and not math.isfinite(error.instance):
        return "it should be a finite number"
    about = error.schema.get("description", "")
    if about[:1].islower():  # it says what a value is; a sentence says what the key is for
        return f"it should be {about}"
    if error.validator == "type" and error.instance is None:
        kinds = {"object": "keys and values", "string": "a text"}
        kind = kinds.get(error.validator_value, f"a value of type {error.validator_value}")
        return f"write {kind}, or leave the key out"
    if error.validator == "pattern" and error.validator_value.startswith("^[A-Za-z0-9]["):
        return "a name begins with a letter or digit and has letters, digits, '.', '_' and '-' only"
    reason = "it " + error.message.removeprefix(repr(error.instance)).strip()[:200]
    return f"{reason} ({about.rstrip('.')})" if about else reason


def with_defaults(config: Mapping[str, Any], schema: Settings, where: str) -> Settings:
    """The study's config, checked, with the schema's defaults filled in."""
    config = with_numbers(dict(config), schema)
    check(config, schema, where)
    defaults = {k: v["default"] for k, v in schema["properties"].items() if "default" in v}
    return {**defaults, **config}

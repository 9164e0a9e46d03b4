"""From words such as `monai.losses:DiceLoss(batch=True)` to the loss; nothing is eval'd."""

import ast
import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

from dicegrad.errors import InputError

_HOW = 'write it as "package.module:Name(argument=value)"'


def load_loss(spec: str) -> Callable:
    """Import a loss, and build it where arguments are given.

    Args:
        spec: ``module:Name`` or ``module:Name(...)``. Arguments are literals (numbers, strings,
            None, lists, tuples, dicts), dotted names, which are imported, or calls of dotted names.
            A class without arguments is built with its defaults; a function with arguments is kept
            with them, for prediction and truth to come first.

    Raises:
        InputError: The text cannot be read, the import fails, or the class does not take the
            arguments; one line that says which.
    """
    module, colon, rest = spec.strip().partition(":")
    if not colon or not rest:
        raise InputError(f"loss {spec!r}: no colon between module and name; {_HOW}")
    try:
        node = ast.parse(rest.strip(), mode="eval").body
    except SyntaxError as error:
        raise InputError(f"loss {spec!r}: cannot be read ({error.msg}); {_HOW}") from None
    called = isinstance(node, ast.Call)
    name = _dotted(node.func if isinstance(node, ast.Call) else node)
    if name is None:
        raise InputError(f"loss {spec!r}: no name after the colon; {_HOW}")
    found = _member(_module(module, spec), name, spec)
    positional, named = _arguments(node, spec) if isinstance(node, ast.Call) else ([], {})
    if inspect.isclass(found):
        return _build(found, positional, named, spec)
    if not callable(found):
        raise InputError(f"loss {spec!r}: {name} is a {type(found).__name__}; name a loss")
    if called and positional:
        raise InputError(f"loss {spec!r}: {name} is a function; give its arguments by name")
    return functools.partial(found, **named) if named else found


def _arguments(node: ast.Call, spec: str) -> tuple[list, dict[str, Any]]:
    positional = [_value(each, spec) for each in node.args]
    named = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise InputError(f"loss {spec!r}: ** is not read; write the arguments out")
        named[keyword.arg] = _value(keyword.value, spec)
    return positional, named


def _value(node: ast.expr, spec: str) -> Any:  # noqa: ANN401
    """A literal, an imported name, or the result of calling an imported name."""
    if isinstance(node, ast.Call) and (name := _dotted(node.func)) and "." in name:
        positional, named = _arguments(node, spec)
        return _build(_import_name(name, spec), positional, named, spec)
    if isinstance(node, ast.Attribute) and (name := _dotted(node)):
        return _import_name(name, spec)
    if isinstance(node, ast.List | ast.Tuple):
        items = [_value(each, spec) for each in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [_value(key, spec) for key in node.keys if key is not None]
        return dict(zip(keys, [_value(each, spec) for each in node.values], strict=True))
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        text = ast.unparse(node)
        raise InputError(
            f"loss {spec!r}: {text} is neither a literal nor a dotted name; "
            "give a number, a string, a list, or package.module.name"
        ) from None


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return None


def _import_name(name: str, spec: str) -> Any:  # noqa: ANN401
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and (module == error.name or module.startswith(f"{error.name}.")):
                continue  # a class, not a module, is on the way: look in the module above
            raise
        return _member(found, ".".join(parts[end:]), spec)
    raise InputError(f"loss {spec!r}: no module {parts[0]}; install it, or correct the name")


def _module(module: str, spec: str) -> Any:  # noqa: ANN401
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(
            f"loss {spec!r}: no module {error.name}; install it, or correct the name"
        ) from None
    except (ValueError, TypeError, ImportError) as error:
        raise InputError(f"loss {spec!r}: {module} cannot be imported ({error})") from None


def _member(module: Any, name: str, spec: str) -> Any:  # noqa: ANN401
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [each for each in dir(found) if "loss" in each.lower() and each[0] != "_"]
            there = f"; there are {', '.join(known[:8])}" if known else ""
            raise InputError(f"loss {spec!r}: {module.__name__} has no {name}{there}")
        found = getattr(found, part)
    return found


def _build(found: Any, positional: list, named: dict[str, Any], spec: str) -> Any:  # noqa: ANN401
    try:
        return found(*positional, **named)
    except Exception as error:  # whatever a foreign class raises for its arguments
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"loss {spec!r}: cannot be built ({line}); see its arguments") from None

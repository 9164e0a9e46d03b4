"""What made a result: version, commit, and a hash of the code that it depends on."""

import ast
import hashlib
import io
import subprocess
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from dicegrad import __version__

PACKAGE = Path(__file__).parent
# What the expensive stages are made of. Their results stay when this code changes; `dicegrad plan`
# says that it has.
RESAMPLING = ("dicegrad.preprocessing.prepare",)
TRAINING = ("dicegrad.training.experiment", "dicegrad.training.objective")
PREDICTION = ("dicegrad.prediction.inference",)
DEAR = {"resample": RESAMPLING, "train": TRAINING, "predict": PREDICTION}
# Where a statement, a handler of exceptions or a case of a match holds other statements.
_WITHIN = ("body", "orelse", "handlers", "finalbody", "cases")


def code_of(modules: Iterable[str], script: Path | None = None) -> str:
    """16 hex digits that change when the code of some modules does, comments and layout aside.

    Args:
        modules: Such as `dicegrad.evaluation.scores`. All modules of the package that they import,
            directly or not, count too.
        script: What calls them, if that is to count too and lies here.
    """
    digest = hashlib.sha256()
    for module in sorted(_reached(modules)):
        digest.update(f"{module}\n{_tokens(module)}\n".encode())
    if script is not None and script.is_file():
        digest.update(_without_comments(script.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


def made_by(modules: Iterable[str]) -> dict[str, str]:
    """What a result that was made now by some modules carries: version, commit and code."""
    return {"version": __version__, "commit": commit(), "code": code_of(modules)}


def _reached(modules: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and _file(module) is not None:
            found.add(module)
            waiting += _imports(module)
    return found


@cache
def _file(module: str) -> Path | None:
    """The source of a module of this package; None of others."""
    package, *parts = module.split(".")
    if package != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*parts)
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((each for each in candidates if each.is_file()), None)


def _source(module: str) -> str:
    path = _file(module)
    return path.read_text(encoding="utf-8") if path else ""


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Modules of this package that a module imports, in functions too, but not for types alone."""
    return tuple(_imported(ast.parse(_source(module)).body))


def _imported(statements: Iterable[ast.AST]) -> Iterator[str]:
    for node in statements:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        else:
            for field in _WITHIN:  # not in expressions, which are most of a module
                yield from _imported(getattr(node, field, ()))


@cache
def _tokens(module: str) -> str:
    return _without_comments(_source(module))


def _without_comments(source: str) -> str:
    """Layout is kept where it means something."""
    layout = {tokenize.NEWLINE: "\n", tokenize.INDENT: "{", tokenize.DEDENT: "}"}
    lines = io.StringIO(source).readline
    return " ".join(
        layout.get(token.type, token.string)
        for token in tokenize.generate_tokens(lines)
        if token.type not in (tokenize.COMMENT, tokenize.NL)
    )


@cache
def commit() -> str:
    """The commit of a checkout, with `+` where files differ from it; empty elsewhere."""
    git = ["git", "-C", str(PACKAGE.parent)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        clean = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", str(PACKAGE)], check=False)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + "+" * (clean.returncode != 0)

"""What made a result: version, commit, and a hash of the code that it depends on."""

import ast
import hashlib
import re
import subprocess
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
# A line break takes the empty lines and those of comments alone that follow, up to an indentation.
_PIECES = re.compile(
    r"""
    (?P<string>(?i:br|rb|fr|rf|[bfru])?(?:
        \"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3}
        | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'))
    | (?P<comment>\#[^\n]*)
    | (?P<line>\n(?:[ \t]*(?:\#[^\n]*)?\n)*[ \t]*)
    | (?P<space>(?:[ \t]|\\\n)+)
    | (?P<bracket>[()\[\]{}])
    | (?P<word>\d[\d_.]*[eE][+-]\d+|[\w.]+)
    | (?P<sign>[^\w.\s()\[\]{}\#"']+)
    """,
    re.VERBOSE | re.DOTALL,
)
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
    return _without_comments(_source(module)) + _native(module)


def _native(module: str) -> str:
    """The C that a module calls, which lies beside it under its name; comments count there."""
    path = _file(module)
    if path is None or not path.with_suffix(".c").is_file():
        return ""
    files = sorted(path.parent.glob(f"{path.stem}*.[ch]"))
    return "".join(file.read_text(encoding="utf-8") for file in files)


def _without_comments(source: str) -> str:
    """Layout is kept where it means something.

    Python's own tokenizer takes a third of a second for the modules of a training run, in each job.
    """
    parts, depth = [], 0
    for piece in _PIECES.finditer(source):
        text, kind = piece[0], piece.lastgroup
        if kind == "line" and not depth:
            parts.append("\n" + text.rpartition("\n")[2])  # the indentation of what follows
        elif kind in ("string", "bracket", "word", "sign"):
            parts.append(f"{text} ")
        if kind == "bracket":
            depth += 1 if text in "([{" else -1
    return "".join(parts)


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

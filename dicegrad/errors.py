"""Expected failures: what ends a command or a job with one line instead of a traceback."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what came (file, value), and how to fix it. Scripts and the command
    line print that line alone; tracebacks are kept for faults of this package.
    """


class Interrupted(Exception):
    """A signal asked a training run to stop; its checkpoint is written."""


def first_line(error: Exception) -> str:
    """The first line of an error's message, without the advice that torch adds below it."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def one_line(error: object) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(error).split())


def nearest(word: object, known: Iterable[object]) -> str:
    """The end of a message that suggests the known word nearest to an unknown one.

    Example:
        >>> nearest("mising", ["missing", "folds"])
        "; did you mean 'missing'?"
        >>> nearest("x", ["missing", "folds"])
        ''
    """
    close = get_close_matches(str(word), [str(each) for each in known], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""

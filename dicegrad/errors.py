"""Expected failures: what ends a command or a job with one line instead of a traceback."""

import errno
import re
from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 2000  # characters of a line that is shown
_USER = re.compile(r"(?<=://)[^/\s]*@")  # https://user:password@host
_SECRET = re.compile(r"(?i)([?&][^=&\s]*(?:token|key|passw|secret|sig)[^=&\s]*=)[^&\s'\":;,)]+")
# What C libraries say where Python says MemoryError.
_NO_MEMORY = re.compile(
    r"(?i)can't allocate memory|cannot allocate memory|out of memory|bad_alloc"
    r"|could not (?:create|execute) a primitive"  # oneDNN, beneath torch's convolutions
)
# What the system says of a disk that fails, or of one that is gone.
FAILING = (errno.EIO, errno.ENODEV, errno.ESTALE)


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what came (file, value), and how to fix it. Scripts and the command
    line print that line alone; tracebacks are kept for faults of this package. Several problems
    are several lines, one argument each.

    What came stands in the message as it is, so each line is made safe to print: see `safe_line`.

    Example:
        >>> print(InputError("name\\nerror: all is well: has a line break; rename it"))
        name\\nerror: all is well: has a line break; rename it
    """

    def __init__(self, *lines: object) -> None:
        super().__init__(*map(safe_line, lines))

    def __str__(self) -> str:
        return "\n".join(self.args)


class Interrupted(Exception):
    """A signal asked a training run to stop; its checkpoint is written."""


def safe_line(text: object) -> str:
    """Text that is one line and nothing else, whoever wrote the names in it.

    Line breaks and terminal codes are spelt out, passwords in addresses are left out, and what is
    endless is cut in the middle.

    Example:
        >>> safe_line("https://me:secret@host/a.zip: cannot be fetched")
        'https://***@host/a.zip: cannot be fetched'
    """
    line = str(text)
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
    return without_passwords(visible(line))


def visible(text: object) -> str:
    """Text on one line: what cannot be printed (line breaks, terminal codes) is spelt out.

    Example:
        >>> visible("HGG\\n\\x1b[31mfake")
        'HGG\\\\n\\\\x1b[31mfake'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(text)
    )


def without_passwords(text: str) -> str:
    """Text without the passwords and keys in its addresses.

    Example:
        >>> without_passwords("https://me:p@ss@host/a.zip?token=abc&part=1")
        'https://***@host/a.zip?token=***&part=1'
    """
    return _SECRET.sub(r"\1***", _USER.sub("***@", text))


def remedy(error: OSError) -> str:
    """What to do about a disk that does not take a file.

    Example:
        >>> remedy(OSError(5, "Input/output error"))
        'check that disk, and that of the files it is made of'
    """
    if error.errno in FAILING:
        return "check that disk, and that of the files it is made of"
    return "free some space or allow writing"


def is_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory."""
    return isinstance(error, MemoryError) or (
        isinstance(error, (OSError, RuntimeError)) and bool(_NO_MEMORY.search(str(error)))
    )


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

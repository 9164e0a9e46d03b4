"""Logs of jobs, and one line instead of a traceback for expected failures."""

import errno
import gc
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from dicegrad.errors import (
    FAILING,
    InputError,
    Interrupted,
    first_line,
    is_memory,
    remedy,
    safe_line,
)
from dicegrad.inputs import check_inputs
from dicegrad.interrupts import one_interrupt
from dicegrad.provenance import made_by

Report = Callable[[object], None]  # takes a line, or what becomes one as text
_MADE = re.compile(r"^made by dicegrad (\S+) ?(\S*) \(code ([0-9a-f]+)\)$", re.MULTILINE)
# What a disk says that is full, or may not be written.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)
_OF_DISK = (*_NO_ROOM, *FAILING)
_MORE_MEMORY = "end other programs, or use a machine or a limit with more, and start again"


@contextmanager
def job(
    log: str | Path, modules: Iterable[str] = (), inputs: Iterable[str | Path] = ()
) -> Iterator[Report]:
    """Run a job with a log.

    An `InputError` ends the process with status 1 after one `error:` line, in the log and on
    standard error, for each of its lines; so does a disk that is full, or a lack of memory. An
    `Interrupted` or an interrupt (Ctrl-C) ends it after a line in the log; any other exception
    goes into the log with its traceback.

    Args:
        log: File to write; its folder is made.
        modules: Modules whose code made the result, which the log then notes.
        inputs: Files and folders that the job reads: they are verified first, see
            `dicegrad.inputs`.

    Yields:
        A function that adds a line with the time of day to the log.
    """
    # What the imports made stays to the end. Without it the last collection, as the process ends,
    # walks through all of torch, which takes a third of a second.
    gc.freeze()
    gc.enable()  # which `dicegrad.starting` has put off
    try:
        with _opened(Path(log)) as file:
            yield from _in_log(file, modules, inputs)
    except OSError as error:
        if error.errno not in _OF_DISK:
            raise
        where = f"{error.filename}: " if error.filename else ""
        what = "could not be read or written" if error.errno in FAILING else "could not be written"
        _end([safe_line(f"{where}{what} ({error.strerror}); {remedy(error)}")])


def _opened(log: Path) -> FileIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("wb", buffering=0)  # what a full disk refuses is not tried again at the end


def _in_log(file: FileIO, modules: Iterable[str], inputs: Iterable[str | Path]) -> Iterator[Report]:
    def write(text: str) -> None:
        with suppress(OSError):  # a full disk is told where a result is lost, not where a line is
            file.write(text.encode(errors="replace"))

    def report(line: object) -> None:
        write(f"{time.strftime('%H:%M:%S')}  {safe_line(line)}\n")

    try:
        with one_interrupt():
            check_inputs(inputs)
            yield report
    except InputError as error:
        lines = list(error.args)
        write("".join(f"error: {line}\n" for line in lines))
        _end(lines)
    except Interrupted as stop:
        report(f"interrupted: {stop}; the same command resumes from there")
        sys.exit(1)
    except KeyboardInterrupt:
        report("interrupted; the same command starts this job again")
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        if is_memory(error):
            lines = [f"there is not enough memory ({first_line(error)}); {_MORE_MEMORY}"]
            write(f"error: {lines[0]}\n")
            _end(lines)
        if not (isinstance(error, OSError) and error.errno in _OF_DISK):
            write(traceback.format_exc())
        raise
    if modules:
        made = made_by(modules)
        write(f"made by dicegrad {made['version']} {made['commit']} (code {made['code']})\n")


def _end(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(1)


@dataclass(frozen=True)
class Made:
    """What made a result: version, commit (empty outside a checkout) and hash of the code."""

    version: str
    commit: str
    code: str


def made_in(log: Path) -> Made | None:
    """What made a result, from its log; None where the log does not say."""
    try:
        found = _MADE.search(log.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return Made(*found.groups()) if found else None


def code_in(log: Path) -> str | None:
    """The code that made a result, from its log; None where the log does not say."""
    made = made_in(log)
    return made.code if made else None

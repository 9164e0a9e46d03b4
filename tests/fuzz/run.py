"""The loop: change a file, let a child process read it, and see what comes out."""

import multiprocessing
import random
import shutil
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from signal import Signals

from dicegrad.errors import InputError
from tests.fuzz.mutate import mutate
from tests.fuzz.readers import READERS, Reader

_LONGEST = 2000  # characters of a message; more is a value that was printed whole
_SLOW = 20.0  # seconds of the processor for a file of some kilobytes
_STUCK = 120.0  # seconds after which a file counts as read for ever


@dataclass(frozen=True)
class Fault:
    """Something else than an error of the project.

    Attributes:
        reader: Name of its file.
        number: Of the change, from which the same file comes again.
        what: Came out.
        trace: Where from.
    """

    reader: str
    number: int
    what: str
    trace: str = ""


@dataclass
class Found:
    """What came of many files.

    Attributes:
        faults: What should not have come out, one of each kind.
        counts: Name of a file -> how often it was read and refused.
        slowest: Seconds of the processor, and the reader.
    """

    faults: list[Fault] = field(default_factory=list)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    slowest: tuple[float, str] = (0.0, "")


@dataclass(frozen=True)
class Outcome:
    """What came of one file.

    Attributes:
        fault: What should not have come out, or "".
        trace: Where that came from.
        refused: Whether an error of the project came out.
        seconds: Of the processor.
    """

    fault: str = ""
    trace: str = ""
    refused: bool = False
    seconds: float = 0.0


class Child:
    """A process that reads files, so that one that crashes or never ends takes nothing with it."""

    def __init__(self, readers: Iterable[Reader]) -> None:
        self._readers = {reader.name: reader for reader in readers}
        self._start()

    def _start(self) -> None:
        # A fork knows the readers already; nothing was read before it, so no thread is lost by it.
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_answer, args=(theirs, self._readers, self._pipe), daemon=True
        )
        self._process.start()
        theirs.close()

    def read(self, name: str, path: Path) -> Outcome:
        """What comes of a file; a child that died of it is replaced."""
        self._pipe.send((name, path))
        try:
            if self._pipe.poll(_STUCK):
                outcome: Outcome = self._pipe.recv()
                return outcome
            what = f"not read after {_STUCK:.0f} s"
            self._process.kill()
            self._process.join()
        except EOFError:
            self._process.join()
            code = self._process.exitcode or 0
            what = f"the process died of {Signals(-code).name if code < 0 else f'exit {code}'}"
        self._pipe.close()
        self._start()
        return Outcome(what)

    def close(self) -> None:
        """End it."""
        self._pipe.close()
        self._process.join()


def fuzz(
    folder: Path,
    seed: int,
    go_on: Callable[[int], bool],
    only: str | None = None,
    first: int = 0,
    keep: Path | None = None,
) -> Found:
    """Read changed files.

    Args:
        folder: To write them to.
        seed: With the number of a change, decides it.
        go_on: Takes the number of the next change.
        only: Name of the file of one reader.
        first: Number of the first change.
        keep: Folder for the files that were faults, as SEED-NUMBER-NAME.
    """
    found, number, seen = Found(), first, set[str]()
    readers = [each for each in READERS if only in (None, each.name)]
    child, good = Child(readers), {}
    for reader in readers:
        path = folder / reader.name.replace(".", "-") / reader.name
        path.parent.mkdir()
        reader.write(path)
        outcome = child.read(reader.name, path)  # what is good is read
        if outcome.fault or outcome.refused:
            raise RuntimeError(f"{reader.name}: the good file is refused {outcome.fault}")
        good[reader.name] = path.read_bytes()
    while go_on(number):
        reader = readers[number % len(readers)]
        path = folder / reader.name.replace(".", "-") / reader.name
        path.write_bytes(mutate(random.Random(f"{seed} {number}"), good[reader.name]))
        outcome = child.read(reader.name, path)
        found.slowest = max(found.slowest, (outcome.seconds, f"{reader.name}, number {number}"))
        read, no = found.counts.get(reader.name, (0, 0))
        found.counts[reader.name] = (read + (not outcome.refused), no + outcome.refused)
        if outcome.fault and (key := f"{reader.name} {outcome.fault[:60]}") not in seen:
            seen.add(key)
            found.faults.append(Fault(reader.name, number, outcome.fault, outcome.trace))
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, keep / f"{seed}-{number}-{reader.name}")
        number += 1
    child.close()
    return found


def _answer(pipe: Connection, readers: dict[str, Reader], parents: Connection) -> None:
    """The child: read the files that are named, until the parent closes its end."""
    parents.close()
    while True:
        try:
            name, path = pipe.recv()
        except EOFError:
            return
        pipe.send(_try(readers[name].read, path))


def _try(read: Callable[[Path], object], path: Path) -> Outcome:
    """What came out of reading a file."""
    begun, refused, fault, trace = time.process_time(), False, "", ""
    try:
        read(path)
    except InputError as error:
        refused, text = True, str(error)
        if len(text.splitlines()) != 1 or not text.isprintable():
            fault = f"not one line: {text[:200]!r}"
        elif len(text) > _LONGEST + len(str(path)):
            fault = f"a message of {len(text)} characters"
        elif path.parent.name not in text:
            fault = f"does not name the file: {text[:200]}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        fault, trace = f"{type(error).__name__}: {str(error)[:200]}", traceback.format_exc()[-1500:]
    seconds = time.process_time() - begun
    if not fault and seconds > _SLOW:
        fault = f"took {seconds:.0f} s"
    return Outcome(fault, trace, refused, seconds)

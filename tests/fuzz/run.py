"""The loop: change a file, read it, and see what comes out."""

import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dicegrad.errors import InputError
from tests.fuzz.mutate import mutate
from tests.fuzz.readers import READERS

_LONGEST = 2000  # characters of a message; more is a value that was printed whole
_SLOW = 20.0  # seconds of the processor for a file of some kilobytes


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


def fuzz(folder: Path, seed: int, go_on: Callable[[int], bool], only: str | None = None) -> Found:
    """Read changed files.

    Args:
        folder: To write them to.
        seed: With the number of a change, decides it.
        go_on: Takes the number of the next change.
        only: Name of the file of one reader.
    """
    found, number, seen = Found(), 0, set[str]()
    readers = [each for each in READERS if only in (None, each.name)]
    good = {}
    for reader in readers:
        path = folder / reader.name.replace(".", "-") / reader.name
        path.parent.mkdir()
        reader.write(path)
        reader.read(path)  # what is good is read
        good[reader.name] = path.read_bytes()
    while go_on(number):
        reader = readers[number % len(readers)]
        path = folder / reader.name.replace(".", "-") / reader.name
        path.write_bytes(mutate(random.Random(f"{seed} {number}"), good[reader.name]))
        fault, refused, seconds = _try(reader.read, path)
        found.slowest = max(found.slowest, (seconds, f"{reader.name}, number {number}"))
        read, no = found.counts.get(reader.name, (0, 0))
        found.counts[reader.name] = (read + (not refused), no + refused)
        if fault and (key := f"{reader.name} {fault[0][:60]}") not in seen:
            seen.add(key)
            found.faults.append(Fault(reader.name, number, *fault))
        number += 1
    return found


def _try(read: Callable[[Path], object], path: Path) -> tuple[tuple[str, str] | None, bool, float]:
    """What came out that should not have, whether the file was refused, and how long it took."""
    begun, refused, fault = time.process_time(), False, None
    try:
        read(path)
    except InputError as error:
        refused, text = True, str(error)
        if len(text.splitlines()) != 1 or not text.isprintable():
            fault = f"not one line: {text[:200]!r}", ""
        elif len(text) > _LONGEST + len(str(path)):
            fault = f"a message of {len(text)} characters", ""
        elif path.parent.name not in text:
            fault = f"does not name the file: {text[:200]}", ""
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        fault = f"{type(error).__name__}: {str(error)[:200]}", traceback.format_exc()[-1500:]
    seconds = time.process_time() - begun
    if fault is None and seconds > _SLOW:
        fault = f"took {seconds:.0f} s", ""
    return fault, refused, seconds

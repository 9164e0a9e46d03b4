"""Logs of jobs, and one line instead of a traceback for expected failures."""

import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dicegrad.errors import InputError, Interrupted
from dicegrad.provenance import made_by

Report = Callable[[object], None]  # takes a line, or what becomes one as text
_MADE = re.compile(r"^made by dicegrad \S+ ?\S* \(code ([0-9a-f]+)\)$", re.MULTILINE)


@contextmanager
def job(log: str | Path, modules: Iterable[str] = ()) -> Iterator[Report]:
    """Run a job with a log.

    An `InputError` ends the process with status 1 after one `error:` line, in the log and on
    standard error, for each of its lines; an `Interrupted` after a line in the log; any other
    exception goes into the log with its traceback.

    Args:
        log: File to write; its folder is made.
        modules: Modules whose code made the result, which the log then notes.

    Yields:
        A function that adds a line with the time of day to the log.
    """
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", buffering=1) as file:

        def report(line: object) -> None:
            file.write(f"{time.strftime('%H:%M:%S')}  {line}\n")

        try:
            yield report
        except InputError as error:
            for line in str(error).splitlines():
                file.write(f"error: {line}\n")
                print(f"error: {line}", file=sys.stderr)
            sys.exit(1)
        except Interrupted as stop:
            report(f"interrupted: {stop}; the same command resumes from there")
            sys.exit(1)
        except Exception:
            file.write(traceback.format_exc())
            raise
        if modules:
            made = made_by(modules)
            file.write(
                f"made by dicegrad {made['version']} {made['commit']} (code {made['code']})\n"
            )


def code_in(log: Path) -> str | None:
    """The code that made a result, from its log; None where the log does not say."""
    try:
        found = _MADE.search(log.read_text(errors="replace"))
    except OSError:
        return None
    return found[1] if found else None

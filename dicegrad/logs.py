"""What a job leaves behind: a log, and one line instead of a traceback where input is at fault."""

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dicegrad.errors import InputError, Interrupted

Report = Callable[[object], None]  # takes a line, or what is one as text


@contextmanager
def job(log: str | Path) -> Iterator[Report]:
    """Run a job's work with a log.

    An `InputError` ends the process with status 1 after one `error:` line in the log and on
    standard error for each line it has, an `Interrupted` after a line in the log; any other
    exception goes into the log with its traceback.

    Args:
        log: File to write; its folder is made.

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
            report(f"interrupted: {stop}; the same command goes on from there")
            sys.exit(1)
        except Exception:
            file.write(traceback.format_exc())
            raise

"""An interrupt that reaches snakemake alone reaches its jobs too.

Ctrl-C at a terminal goes to all processes there. `kill -INT` goes to one: Snakemake then starts no
more jobs, and waits for those that run, a training run to its last epoch.
"""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType

_SECONDS = 0.5


def pass_on_interrupts() -> None:
    """Have SIGINT sent on to the processes below this one, which then ends as it would.

    A shell that starts a program with `&` in a script makes it ignore SIGINT; that stays so. What
    had the signal from the terminal already gets it twice, which is of no matter to a training run.
    One more is answered with a line: it would only tear Snakemake out of its waiting.
    """
    of_python = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if of_python and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _pass_on)


def _pass_on(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, _answer)
    threading.Thread(target=_interrupt_children, daemon=True).start()
    signal.default_int_handler(number, frame)


def _answer(number: int, frame: FrameType | None) -> None:
    ends = f"`kill -KILL -{os.getpgrp()}` from another terminal ends them at once"
    line = f"interrupted already; the jobs write their checkpoints and end ({ends})\n"
    os.write(sys.stderr.fileno(), line.encode())  # print may be interrupted in a print


def _interrupt_children() -> None:
    """Send SIGINT to each process below this one once, also to those that were about to start."""
    import psutil  # Snakemake needs it too

    told = set()
    while True:
        for child in psutil.Process().children(recursive=True):
            if child not in told:
                told.add(child)
                with suppress(psutil.Error):  # it may have ended
                    child.send_signal(signal.SIGINT)
        time.sleep(_SECONDS)

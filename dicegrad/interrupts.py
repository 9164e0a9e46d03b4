"""An interrupt ends snakemake and its jobs, without a traceback.

Ctrl-C at a terminal goes to all processes there. `kill -INT` goes to one: Snakemake then starts no
more jobs, and waits for those that run, a training run to its last epoch. And what Python says of
an interrupt is where it was at that moment, once for each of its processes.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SECONDS = 0.5


def end_at_interrupts() -> None:
    """Have SIGINT end this process at once and without a word.

    For what leaves nothing behind: a job that loads its libraries, which takes seconds, and a
    process that works for another one, which says what is to be said. A process that ignores
    SIGINT goes on to do so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def one_interrupt() -> Iterator[None]:
    """Have the first SIGINT raise KeyboardInterrupt, and further ones disturb nothing after it.

    Snakemake's jobs get two of them, from the terminal and from `pass_on_interrupts`; the second
    would come while the first one removes what is half written.
    """
    before = signal.getsignal(signal.SIGINT)
    on_main = threading.current_thread() is threading.main_thread()
    if not on_main or before not in (signal.SIG_DFL, signal.default_int_handler):
        yield
        return
    signal.signal(signal.SIGINT, _raise_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _raise_once(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.default_int_handler(number, frame)


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

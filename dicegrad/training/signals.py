"""Signals that ask a training run to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals() -> Iterator[list[str]]:
    """Collect the signals that ask to stop, instead of terminating."""
    caught: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    wanted = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = {
        number: signal.signal(number, lambda n, _: caught.append(signal.Signals(n).name))
        for number in wanted
    }
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Which GPU a job of training or prediction uses."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import torch


@contextmanager
def card() -> Iterator[str]:
    """A CUDA device such as `cuda:1`: one of its own while there is one, then a shared one.

    The jobs of this user on this machine take numbers from 0 up, each a locked file in the
    temporary folder; the lock ends with the process, however that ends. Numbers are assigned to
    the GPUs in turn.
    """
    for number in count():
        path = Path(tempfile.gettempdir(), f"dicegrad-{os.getuid()}-card-{number}.lock")
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield f"cuda:{number % torch.cuda.device_count()}"
            return

"""Which GPU a job of training or prediction uses."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import torch

from dicegrad.errors import InputError


@contextmanager
def card() -> Iterator[str]:
    """A CUDA device such as `cuda:1`: one of its own while there is one, then a shared one.

    The jobs of this user on this machine take numbers from 0 up, each a locked file in a folder
    below the temporary one; the lock ends with the process, however that ends. Numbers are assigned
    to the GPUs in turn.

    Raises:
        InputError: Somebody else has made that folder.
    """
    folder = _own_folder()
    for number in count():
        with (folder / f"card-{number}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield f"cuda:{number % torch.cuda.device_count()}"
            return


def _own_folder() -> Path:
    """A folder that nobody else can write to: a file with a known name in a shared one could be a
    link that another user has laid there.
    """
    folder = Path(tempfile.gettempdir(), f"dicegrad-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise InputError(
            f"{folder}: is not a folder of yours alone; remove it, or set TMPDIR to another folder"
        )
    return folder

"""Files that another process reads with SimpleITK: what crashes ITK, or never ends, is reported.

ITK's readers trust their files. A damaged TIFF or NRRD file can end the process that reads it, or
be read without end; here that is a process of its own, which starts with the first such file.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from dicegrad.errors import InputError

_SCRIPT = Path(__file__).with_name("itk_process.py")
_SECONDS = 15  # of the processor for a header
_PACE = 4 << 20  # bytes of voxels that any machine reads in a second
# What a file can do to the process; other signals come from elsewhere.
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


@dataclass(frozen=True)
class Information:
    """What SimpleITK says of a file.

    Attributes:
        size: Voxels along each axis.
        spacing: mm between them.
        origin: mm of the first one, in LPS.
        direction: Of the axes, row by row.
        parts: Numbers per voxel.
        type: As NumPy has it, or None where the voxels are no real numbers.
        kind: The same in words.
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]
    parts: int
    type: str | None
    kind: str

    @property
    def length(self) -> int:
        """Bytes of the voxels, where they are real numbers."""
        return int(np.prod(self.size, dtype=object)) * np.dtype(self.type).itemsize


def read_information(path: Path) -> Information:
    """Read the header of a file.

    Raises:
        InputError: SimpleITK does not know the format, or the file is damaged. The message does
            not name the file.
    """
    return _READER.ask(path, None)[0]


def read_voxels(path: Path, expected: Information) -> np.ndarray:
    """Read the voxels of a file whose header was read; (..., y, x), they own their memory.

    Raises:
        InputError: As for `read_information`; or the file has changed since.
    """
    array = _READER.ask(path, expected)[1]
    assert array is not None  # it was asked for
    return array


class _Reader:
    """The process, and whose it is."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner, self._turn = 0, threading.Lock()

    def ask(
        self, path: Path, expected: Information | None
    ) -> tuple[Information, np.ndarray | None]:
        """The header of a file, and its voxels where they are expected."""
        if self._owner != os.getpid():  # a fork has its parent's process, but may not talk to it
            self._process, self._owner, self._turn = None, os.getpid(), threading.Lock()
            atexit.register(self.close)
        with self._turn:
            if self._process is None or self._process.poll() is not None:
                self._process = _start()
            whole = False
            try:
                answer = _ask(self._process, path, expected)
                whole = True
            except EOFError as error:
                raise InputError(*error.args or (_reason(self._process.wait()),)) from None
            finally:
                if not whole:  # it has died, or somebody interrupts: no half answer is left over
                    self.close()
        if isinstance(answer, str):
            raise InputError(answer)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.communicate()
            self._process = None


_READER = _Reader()


def _start() -> subprocess.Popen[bytes]:
    # The same packages as here, and none that lies in the folder where somebody happens to be.
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-P", str(_SCRIPT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )


def _ask(
    process: subprocess.Popen[bytes], path: Path, expected: Information | None
) -> tuple[Information, np.ndarray | None] | str:
    """An answer, or what is wrong with the file; EOFError if the process cannot go on."""
    questions, answers = process.stdin, process.stdout
    if questions is None or answers is None:
        raise EOFError
    needed = 0 if expected is None else expected.length
    asked = {
        "path": str(path.absolute()),
        "voxels": expected is not None,
        "seconds": _SECONDS + needed / _PACE,
    }
    try:
        questions.write(json.dumps(asked).encode() + b"\n")
        questions.flush()
    except BrokenPipeError:
        raise EOFError from None
    line = answers.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    content: dict[str, Any] = json.loads(line)
    if content.get("error") == "MemoryError":
        return "there is not enough memory for it; use a larger machine"
    if "error" in content:
        return "is no image that SimpleITK reads, or is damaged; give .nii.gz, .mha, .nrrd or .png"
    found = Information(
        size=tuple(content["size"]),
        spacing=tuple(content["spacing"]),
        origin=tuple(content["origin"]),
        direction=tuple(content["direction"]),
        parts=content["parts"],
        type=content["type"],
        kind=content["kind"],
    )
    if expected is None:
        return found, None
    if found != expected:
        raise EOFError("has changed while it was read; try again")
    array = np.empty(found.size[::-1], found.type)
    _fill(answers, array.reshape(-1).view(np.uint8).data)
    return found, array


def _fill(stream: IO[bytes], view: memoryview) -> None:
    filled = 0
    while filled < len(view):
        read = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not read:
            raise EOFError
        filled += read


def _reason(code: int) -> str:
    """Why the process has died."""
    if code == -signal.SIGPROF:
        return "its reader does not finish, so it is damaged; write it again, as .nii.gz"
    if code < 0 and signal.Signals(-code) in _CRASHES:
        return "crashes its reader (SimpleITK), so it is damaged; write it again, as .nii.gz"
    what = signal.Signals(-code).name if code < 0 else f"exit {code}"
    return f"the process that read it has ended ({what}), perhaps out of memory; try again"

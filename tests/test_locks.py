"""Two processes never hold one folder, and none holds it after its end."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from dicegrad.errors import InputError
from dicegrad.locks import NAME, locked

HOLD = """
import sys, time
from pathlib import Path
from dicegrad.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process, which holds the folder `run`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_folder_that_is_in_use_names_the_process(tmp_path, holder):
    with pytest.raises(InputError) as error, locked(tmp_path / "run", wait=0.3):
        pytest.fail("two processes hold it")
    assert len(str(error.value).splitlines()) == 1
    assert f"{tmp_path}/run: is in use by process {holder.pid} on " in str(error.value)
    assert "wait for it or end it" in str(error.value)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_dies_with_its_process(tmp_path, holder, number):
    holder.send_signal(number)
    holder.wait()
    with locked(tmp_path / "run", wait=0):
        assert f"process {os.getpid()} " in (tmp_path / "run" / NAME).read_text()


def test_a_process_that_is_about_to_end_is_waited_for(tmp_path, holder):
    started = time.monotonic()
    holder.send_signal(signal.SIGSTOP)  # it still has the lock
    with pytest.raises(InputError), locked(tmp_path / "run", wait=0.5):
        pass
    assert time.monotonic() - started >= 0.5
    holder.kill()
    with locked(tmp_path / "run", wait=30):
        pass


def test_nothing_of_the_lock_is_left_and_it_can_be_taken_again(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "new" / "run"):
            assert (tmp_path / "new" / "run" / NAME).exists()
        assert list((tmp_path / "new" / "run").iterdir()) == []
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "new" / "run"):
        print(1 / 0)
    assert list((tmp_path / "new" / "run").iterdir()) == []


def test_a_file_system_without_locks_is_told_and_used(tmp_path, monkeypatch):
    def none(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    lines = []
    with locked(tmp_path / "run", report=lines.append):
        (tmp_path / "run" / "weights.pt").touch()
    assert lines == [
        f"{tmp_path}/run: cannot be locked (No locks available); let one process use it"
    ]


def test_an_error_within_is_not_taken_for_one_of_the_lock(tmp_path):
    with pytest.raises(FileNotFoundError), locked(tmp_path / "run"):
        (tmp_path / "missing").read_text()

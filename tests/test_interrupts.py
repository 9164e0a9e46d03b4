"""An interrupt ends a job without a traceback, whatever it does at that moment."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SCRIPTS = sorted((REPOSITORY / "scripts").glob("*.py"))
# A job that writes a file while two processes work for it, and that is slow to tidy up.
JOB = """
import os, sys, time
from pathlib import Path

from dicegrad.logs import job
from dicegrad.preprocessing.prepare import map_cases
from dicegrad.whole import whole_path


def work(case):
    os.write(1, f"{case}\\n".encode())  # in one piece
    time.sleep(600)


with job(sys.argv[1]), whole_path(Path(sys.argv[2])) as temporary:
    temporary.write_bytes(b"half")
    try:
        list(map_cases(work, ["first", "second"], workers=2))
    finally:
        print("tidies up", flush=True)
        time.sleep(1)
"""


def start(*words, ignored=False):
    """Python in a process group of its own, as Snakemake or a shell starts it."""
    how = "--ignore-signal=INT" if ignored else "--default-signal=INT"
    return subprocess.Popen(
        ["env", how, sys.executable, *map(str, words)],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(child, library):
    """Wait until a process has loaded a library."""
    while library not in Path(f"/proc/{child.pid}/maps").read_text():
        assert child.poll() is None, child.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_sees_to_interrupts_before_it_loads_anything_else(script):
    _, first, *_ = ast.parse(script.read_text()).body
    assert ast.unparse(first) == "import dicegrad.starting"


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc here")
def test_a_job_that_loads_its_libraries_ends_without_a_word():
    child = start(REPOSITORY / "scripts" / "train.py")
    wait_for(child, "libtorch")
    os.killpg(child.pid, signal.SIGINT)
    assert child.communicate() == ("", "")
    assert child.returncode == -signal.SIGINT


def test_a_job_and_its_processes_end_with_a_line_in_the_log_alone(tmp_path):
    log, file = tmp_path / "job.log", tmp_path / "images.npy"
    child = start("-c", JOB, log, file)
    assert {child.stdout.readline(), child.stdout.readline()} == {"first\n", "second\n"}
    os.killpg(child.pid, signal.SIGINT)
    assert child.stdout.readline() == "tidies up\n"
    os.killpg(child.pid, signal.SIGINT)
    assert child.communicate() == ("", "")
    assert child.returncode == 128 + signal.SIGINT
    assert log.read_text().endswith("interrupted; the same command starts this job again\n")
    assert [each.name for each in tmp_path.iterdir()] == ["job.log"]


def test_a_job_in_the_background_of_a_script_goes_on_to_ignore_interrupts():
    words = "import dicegrad.starting; print('loaded', flush=True); input(); print('done')"
    child = start("-c", words, ignored=True)
    assert child.stdout.readline() == "loaded\n"
    os.killpg(child.pid, signal.SIGINT)
    assert child.communicate("\n") == ("done\n", "")

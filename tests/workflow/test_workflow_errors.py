"""What Snakemake itself cannot read or write: one line, and the same command goes on."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY, new_study

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("study")]
# The workflow as it is, and two rules more; the first does something to the folder while it runs.
SNAKEFILE = f"""
include: "{REPOSITORY}/Snakefile"

rule fault:
    output: "results/tiny/fault.txt"
    benchmark: "results/tiny/fault.benchmark.tsv"
    params: pid=os.getpid()
    localrule: True
    script: "fault.py"

rule after:
    input: "results/tiny/fault.txt"
    output: "results/tiny/after.txt"
    localrule: True
    script: "after.py"
"""
SCRIPT = """
import os, shutil, signal, subprocess, time
from pathlib import Path

output = Path(snakemake.output[0])
output.write_text("done")
if not Path("fault").exists():
    Path("fault").touch()
    {fault}
"""
AFTER = (
    """
with open(snakemake.output[0], "w") as file:
    file.write("done")
"""
    + "# Snakemake copies a script, and this one needs more room than the first leaves.\n" * 500
)


def run(folder, fault, **environment):
    """The study with a fault in its first job: what came of it, and of the same command again."""
    new_study(folder)
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "fault.py").write_text(SCRIPT.format(fault=fault))
    (folder / "after.py").write_text(AFTER)
    command = [sys.executable, "-m", "snakemake", "--configfile", "config.yaml", "--cores", "1"]
    command += ["after", "--workflow-profile", str(REPOSITORY / "profiles" / "default")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}

    def again():
        return subprocess.run(
            ["env", "--default-signal=INT", *command],  # which a test in the background ignores
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return again(), again


def check(done, line):
    assert done.returncode not in (0, None), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "Logging error" not in done.stderr, done.stderr
    lines = [each for each in done.stderr.splitlines() if each.startswith("error: ")]
    assert any(line in each for each in lines), done.stderr
    assert all("start" in each for each in lines)  # what to do


def check_next(again, folder):
    done = again()
    assert done.returncode == 0, done.stderr
    assert (folder / "results/tiny/after.txt").read_text() == "done"


PARENT = "int(snakemake.params.pid)"
LIMIT = f'subprocess.run(["prlimit", "--fsize=100", "--pid", str({PARENT})], check=True)'


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        pytest.param(
            'shutil.rmtree("results")',
            "error: results/tiny/fault.benchmark.tsv: No such file or directory; let nothing",
            id="results removed",
        ),
        pytest.param(
            'shutil.rmtree(".snakemake")', ".fault.py: No such file or directory; let nothing",
            id="notes of Snakemake removed",
        ),
        pytest.param(
            LIMIT, "File too large; free some space or allow writing, and start",
            id="files may not grow",
        ),
    ],
)  # fmt: skip
def test_a_folder_that_goes_while_a_job_runs(tmp_path, fault, line):
    done, again = run(tmp_path, fault)
    check(done, line)
    check_next(again, tmp_path)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("SIGKILL", "as where memory runs out; end other programs or give fewer --cores"),
        ("SIGBUS", "as where a file is cut while it is read, or its disk fails; check that disk"),
        ("SIGTERM", "start the same command again"),
    ],
)
def test_a_job_that_the_system_ends(tmp_path, name, line):
    done, again = run(tmp_path, f"os.kill(os.getpid(), signal.{name})")
    check(done, f"error: fault: the job was ended by {name}")
    check(done, line)
    check_next(again, tmp_path)


def test_the_log_of_snakemake_keeps_the_traceback(tmp_path):
    run(tmp_path, 'os.rename("results", "elsewhere")')
    log = next((tmp_path / ".snakemake" / "log").iterdir()).read_text()
    assert "WorkflowError:\nFileNotFoundError: [Errno 2]" in log
    assert "error: results/tiny/fault.benchmark.tsv: No such file" in log


def test_a_disk_that_is_full_of_notes_of_snakemake(tmp_path, disk):
    (tmp_path / ".snakemake").symlink_to(disk)
    fill = 'os.system("cat /dev/zero > .snakemake/ballast 2> /dev/null")'
    done, again = run(tmp_path, fill + '; output.write_text("done")')
    check(done, "error: .snakemake: No space left on device; free some space or allow writing")
    (disk / "ballast").unlink()
    check_next(again, tmp_path)


def test_a_temporary_folder_that_may_no_longer_be_written(tmp_path, disk):
    fault = 'subprocess.run(["mount", "-o", "remount,ro", os.environ["TMPDIR"]], check=True)'
    done, again = run(tmp_path, fault, TMPDIR=str(disk))
    check(done, f"error: {disk}/snakemake")
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    check_next(again, tmp_path)


def limited(study, kibibytes):
    """A dry run of a study under `ulimit -v`."""
    words = [sys.executable, "-m", "snakemake", "-n", "--snakefile", str(REPOSITORY / "Snakefile")]
    command = f"ulimit -v {kibibytes}; exec {shlex.join(words)} --configfile config.yaml"
    return subprocess.run(
        ["bash", "-c", command], cwd=study.folder, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")
def test_addresses_that_are_limited_to_what_snakemake_has_already(tmp_path):
    done = limited(new_study(tmp_path), 400_000)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in said
    assert re.search(r"^snakemake: may use 390 MiB of addresses, and has \d+ in use", said, re.M)


def test_an_interrupt_that_comes_three_times(tmp_path):
    wait = "signal.signal(signal.SIGINT, lambda *_: None)"
    send = f"[(time.sleep(0.3), os.kill({PARENT}, signal.SIGINT)) for _ in range(3)]"
    done, again = run(tmp_path, f"{wait}; {send}; os._exit(1)")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("interrupted already; the jobs write their checkpoints") == 2
    check_next(again, tmp_path)

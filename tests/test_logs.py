import re
import subprocess
import sys

import pytest

from dicegrad.errors import InputError, Interrupted
from dicegrad.logs import job


def test_a_log_holds_lines_with_the_time_of_day(tmp_path):
    log = tmp_path / "new" / "folder" / "job.log"
    with job(log) as report:
        report("first")
        assert "first" in log.read_text()  # at once, for who looks on
        report("second")
    lines = log.read_text().splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"\d\d:\d\d:\d\d  first", lines[0])


def test_a_fault_of_the_input_ends_with_lines_that_say_so_and_no_traceback(tmp_path, capsys):
    def work():
        with job(tmp_path / "job.log") as report:
            report("begun")
            raise InputError("a.nii: is empty; give voxels", "b.nii: is missing; add it")

    with pytest.raises(SystemExit) as ended:
        work()
    assert ended.value.code == 1
    expected = ["error: a.nii: is empty; give voxels", "error: b.nii: is missing; add it"]
    captured = capsys.readouterr()
    assert captured.err.splitlines() == expected
    assert captured.out == ""
    log = (tmp_path / "job.log").read_text()
    assert log.splitlines()[1:] == expected
    assert "Traceback" not in log


def test_a_training_that_was_stopped_ends_with_a_line_in_the_log_alone(tmp_path, capsys):
    def work():
        with job(tmp_path / "job.log"):
            raise Interrupted("stopped by SIGTERM at step 5")

    with pytest.raises(SystemExit) as ended:
        work()
    assert ended.value.code == 1
    log = (tmp_path / "job.log").read_text()
    assert len(log.splitlines()) == 1
    assert "interrupted: stopped by SIGTERM at step 5; the same command resumes from there" in log
    assert capsys.readouterr().err == ""


def test_any_other_fault_leaves_its_traceback_in_the_log(tmp_path, capsys):
    with pytest.raises(ZeroDivisionError), job(tmp_path / "job.log"):
        print(1 / 0)
    log = (tmp_path / "job.log").read_text()
    assert log.startswith("Traceback")
    assert "print(1 / 0)" in log
    assert log.rstrip().endswith("ZeroDivisionError: division by zero")
    assert capsys.readouterr().err == ""


def test_a_log_begins_anew_with_each_run(tmp_path):
    for word in ("first", "second"):
        with job(str(tmp_path / "job.log")) as report:
            report(word)
    assert "first" not in (tmp_path / "job.log").read_text()


def test_what_a_name_holds_forges_no_line_of_a_log(tmp_path):
    with job(tmp_path / "job.log") as report:
        report("case a\nerror: all is lost\x1b[31m")
    text = (tmp_path / "job.log").read_text()
    assert text.endswith("  case a\\nerror: all is lost\\x1b[31m\n")
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory: 8 bytes")])
def test_a_lack_of_memory_is_one_line(tmp_path, capsys, error):
    def work():
        with job(tmp_path / "job.log"):
            raise error

    with pytest.raises(SystemExit):
        work()
    said = capsys.readouterr().err
    assert said.startswith("error: there is not enough memory (")
    assert said.count("\n") == 1
    assert "Traceback" not in (tmp_path / "job.log").read_text()


def test_collection_is_put_off_while_libraries_load_and_on_again_in_a_job(tmp_path):
    words = (
        "import dicegrad.starting, gc; print(gc.isenabled()); from dicegrad.logs import job\n"
        f"with job({str(tmp_path / 'log')!r}): print(gc.isenabled(), gc.get_freeze_count() > 0)"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]

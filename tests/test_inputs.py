"""A job looks at the dates and checksums of what it reads before it begins."""

import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from dicegrad.errors import InputError
from dicegrad.files import write_table
from dicegrad.inputs import check_dates, check_inputs
from dicegrad.logs import job

DAY = 86400.0


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [tmp_path / "resources" / name for name in ("cases.tsv", "volumes.tsv")]
    for path in paths:
        write_table([{"case": "p1", "volume": 3}], path)
    return [path.relative_to(tmp_path) for path in paths]


def date(path, ahead):
    os.utime(path, (time.time() + ahead,) * 2)


def refused(paths):
    with pytest.raises(InputError) as error:
        check_inputs(paths)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_files_of_the_past_pass(files):
    check_inputs(files)


def test_a_file_that_went_before_its_job_began_is_named_with_what_to_do(files):
    files[1].unlink()
    message = refused(files)
    assert message.startswith("resources/volumes.tsv: was removed while the study ran; put it back")
    assert message.endswith("start the same command again")


def test_a_file_of_the_future_is_named_with_its_date_and_a_command_that_helps(files):
    date(files[1], DAY)
    message = refused(files)
    assert message.startswith("resources/volumes.tsv: is dated 2")
    assert "Snakemake would delete what is made of it" in message
    command = message.rpartition("to the present: ")[2]
    assert shlex.split(command)[:2] == ["find", "resources"]
    subprocess.run(command, shell=True, check=True)
    check_inputs(files)


def test_a_date_that_is_about_to_come_is_waited_for(files):
    date(files[0], 0.4)
    check_dates(files)
    assert files[0].stat().st_mtime <= time.time()


def test_a_folder_that_a_rule_has_made_is_as_old_as_its_stamp(tmp_path):
    stamp = tmp_path / "predictions" / ".snakemake_timestamp"
    stamp.parent.mkdir()
    stamp.touch()
    date(stamp, DAY)
    assert "predictions: is dated 2" in refused([stamp.parent])


def test_a_damaged_input_ends_a_job_before_its_work_with_one_line(files, capsys):
    files[0].write_text("case\tvolume\n")
    with pytest.raises(SystemExit) as ended, job("job.log", inputs=files):
        pytest.fail("the work began")
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("error: resources/cases.tsv: has 12 bytes, but 17 were written; ")
    assert error in Path("job.log").read_text()

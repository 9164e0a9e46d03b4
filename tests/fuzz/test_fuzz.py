"""A few changed files for each reader; `make fuzz` takes many. And the fuzzer itself can fail."""

import faulthandler
import os
import signal
import time
from pathlib import Path

import pytest

from tests.fuzz import run
from tests.fuzz.readers import READERS, Reader, text


def test_nothing_but_the_projects_own_errors_comes_out(tmp_path):
    found = run.fuzz(tmp_path, 0, lambda number: number < 12 * len(READERS))
    assert found.faults == []
    assert set(found.counts) == {reader.name for reader in READERS}
    assert sum(refused for _, refused in found.counts.values()) > 6 * len(READERS)


def careless(path: Path) -> None:
    """A reader as it should not be."""
    if path.read_bytes() != b"12\n":
        int(path.read_text().strip() or "0")
        raise run.InputError("the file is wrong")


@pytest.mark.filterwarnings("ignore")
def test_a_careless_reader_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "READERS", (Reader("a.txt", text("12\n"), careless),))
    found = run.fuzz(tmp_path, 0, lambda number: number < 200)
    kinds = {fault.what.partition(":")[0] for fault in found.faults}
    assert {"ValueError", "UnicodeDecodeError", "does not name the file"} <= kinds


def crashing(path: Path) -> None:
    """A reader that ends its process, or itself never, at some files."""
    content = path.read_bytes()
    if content.startswith(b"1") and content != b"12\n":
        faulthandler.disable()  # pytest would print where
        os.kill(os.getpid(), signal.SIGSEGV)
    if not content.startswith(b"1"):
        while True:
            time.sleep(1)


def test_a_file_that_ends_the_process_is_named_kept_and_can_be_tried_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "READERS", (Reader("a.txt", text("12\n"), crashing),))
    monkeypatch.setattr(run, "_STUCK", 0.5)
    (tmp_path / "all").mkdir()
    found = run.fuzz(tmp_path / "all", 0, lambda number: number < 20, keep=tmp_path / "kept")
    told = [fault.what for fault in found.faults]
    assert "the process died of SIGSEGV" in told
    assert "not read after 0 s" in told
    for fault in found.faults:
        (tmp_path / str(fault.number)).mkdir()
        again = run.fuzz(
            tmp_path / str(fault.number), 0, lambda n, f=fault: n == f.number, "a.txt", fault.number
        )
        assert again.faults == [fault]
        kept = tmp_path / "kept" / f"0-{fault.number}-a.txt"
        assert kept.read_bytes() != b"12\n"


def test_a_seed_gives_the_same_files_again(tmp_path):
    runs = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        runs.append(run.fuzz(folder, 3, lambda number: number < 40, "folds.tsv").counts)
    assert runs[0] == runs[1]

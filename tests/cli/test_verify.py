import pytest

from dicegrad.reporting.record import add_command, write_sums
from tests.cli.conftest import run


@pytest.fixture
def folder(tmp_path):
    results = tmp_path / "demo"
    results.mkdir()
    for number in range(25):
        (results / f"table{number:02}.tsv").write_text(f"number\n{number}\n")
    add_command(results, ["snakemake", "--cores", "2"])
    write_sums(results, results.glob("*.tsv"))
    return results


def test_a_study_that_is_unchanged_says_what_made_it(capsys, folder):
    code, out, err = run(capsys, "verify", folder)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{folder}: all 25 files are as they were when the study was finished"
    assert lines[1] == "commands:"
    assert lines[2].endswith("  snakemake --cores 2")


def test_a_changed_and_a_missing_file_are_named_and_the_status_is_1(capsys, folder):
    (folder / "table03.tsv").write_text("number\n4\n")
    (folder / "table04.tsv").unlink()
    code, out, err = run(capsys, "verify", folder)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        f"error: {folder}/table04.tsv: is missing",
        f"error: {folder}/table03.tsv: has changed since the study was finished",
        f"error: {folder}: delete the files named above, and run the study again to make them",
    ]


def test_of_many_changed_files_the_first_are_named(capsys, folder):
    for path in folder.glob("*.tsv"):
        path.write_text("x\n")
    code, _, err = run(capsys, "verify", folder)
    assert code == 1
    assert len(err.splitlines()) == 22
    assert "error: and 5 more files" in err


def test_a_folder_that_is_no_finished_study_is_refused(capsys, tmp_path):
    code, _, err = run(capsys, "verify", tmp_path)
    assert code == 1
    assert err == f"error: {tmp_path}/SHA256SUMS: no such file; run the study to its end first\n"

"""The record of a study: settings, commands, checksums, and what made the results."""

import hashlib
import subprocess
from pathlib import Path

import pytest
import yaml

from dicegrad.errors import InputError
from dicegrad.reporting.record import add_command, read_record, write_settings, write_sums
from tests.conftest import refusal


@pytest.fixture
def folder(tmp_path):
    """Results of a study of two tables, a label map and a log."""
    results = tmp_path / "results" / "demo"
    (results / "fold~0" / "predictions").mkdir(parents=True)
    (results / "scores.tsv").write_text("case\tdsc\np1\t0.5\n")
    (results / "fold~0" / "predictions" / "p1.nii.gz").write_bytes(b"voxels")
    (results / "fold~0" / "predictions" / ".p1.nii.gz.sum").write_text("6 00000000\n")
    for stage in ("train", "predict"):
        (results / "fold~0" / f"{stage}.log").write_text(
            "12:00:00  epoch 1\nmade by dicegrad 0.1.0 0123456789ab (code 00ff)\n"
        )
    return results


def sums(folder):
    return write_sums(folder, [folder / "scores.tsv", folder / "fold~0" / "predictions"])


def test_a_finished_study_is_as_it_was(folder):
    assert sums(folder) == 2
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    voxels = hashlib.sha256(b"voxels").hexdigest()
    assert lines[0] == f"{voxels}  fold~0/predictions/p1.nii.gz"
    record = read_record(folder)
    assert (record.files, record.changed, record.missing) == (2, (), ())
    assert record.made == {
        "predict: dicegrad 0.1.0 0123456789ab": 1,
        "train: dicegrad 0.1.0 0123456789ab": 1,
    }


def test_sha256sum_reads_the_same_file(folder):
    sums(folder)
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0
    (folder / "scores.tsv").write_text("case\tdsc\n")
    assert subprocess.run(check, cwd=folder, check=False, capture_output=True).returncode == 1


def test_what_has_changed_or_is_gone_is_named(folder):
    sums(folder)
    (folder / "scores.tsv").write_text("case\tdsc\np1\t0.9\n")
    (folder / "fold~0" / "predictions" / "p1.nii.gz").unlink()
    record = read_record(folder)
    assert record.changed == ("scores.tsv",)
    assert record.missing == ("fold~0/predictions/p1.nii.gz",)


@pytest.mark.parametrize(
    "line", ["no checksum", f"{'0' * 64}  ../other", f"{'0' * 64}  /etc/passwd", f"{'0' * 63}  a"]
)
def test_a_list_that_is_none_is_refused_by_line(folder, line):
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  scores.tsv\n{line}\n")
    with pytest.raises(InputError, match=r"SHA256SUMS: line 2 is not a checksum and a file of"):
        read_record(folder)


@pytest.mark.parametrize(("content", "message"), [(None, "no such file; run"), ("", "is empty")])
def test_without_a_list_the_study_is_not_finished(folder, content, message):
    if content is not None:
        (folder / "SHA256SUMS").write_text(content)
    with pytest.raises(InputError, match=message):
        read_record(folder)


def test_settings_are_kept_as_they_were_without_passwords(tmp_path):
    table = tmp_path / "experiments.tsv"
    table.write_text("dataset\tlabeling\nacdc\tfull\n")
    config = {"study": "demo", "folds": (0, 1), "url": "https://me:secret@host.org/a.zip"}
    write_settings(tmp_path / "study", config, table, {"acdc": {"root": Path("data/acdc")}})
    kept = yaml.safe_load((tmp_path / "study" / "config.yaml").read_text())
    assert kept == {"study": "demo", "folds": [0, 1], "url": "https://***@host.org/a.zip"}
    dataset = yaml.safe_load((tmp_path / "study" / "datasets" / "acdc.yaml").read_text())
    assert dataset == {"root": "data/acdc"}
    assert (tmp_path / "study" / "experiments.tsv").read_bytes() == table.read_bytes()


def test_commands_are_listed_in_order(folder):
    add_command(folder, ["/usr/lib/snakemake/__main__.py", "--cores", "2"])
    add_command(folder, ["snakemake", "--config", "a b\tc", "url=https://u:p@h"])
    sums(folder)
    first, second = read_record(folder).commands
    assert first.endswith("  snakemake --cores 2")
    assert second.endswith("  snakemake --config 'a b c' 'url=https://***@h'") or second.endswith(
        "  snakemake --config 'a b c' url=https://***@h"
    )


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000 + "x", "a\0b"])
def test_a_sum_of_a_name_that_no_disk_has_is_refused(tmp_path, name):
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  {name}\n")
    said = refusal(read_record, tmp_path)
    assert "line 1 is not a checksum and a file of the study" in said or "byte 68 is 0" in said

"""A disk that is full: one line, nothing half-written, nothing left, no killed process."""

import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
import torch

from dicegrad.arrays import new_array, open_array
from dicegrad.data.volumes import Header, write_volume
from dicegrad.errors import InputError
from dicegrad.files import write_table
from dicegrad.logs import job
from dicegrad.training.checkpoint import load_weights, save_atomically, save_weights

pytestmark = pytest.mark.slow
MEGABYTE = 1 << 20


def fill(disk, leave=0):
    """Take all room but some bytes of it."""
    with (disk / "ballast").open("wb") as file:
        size = MEGABYTE - leave - sum(p.stat().st_size for p in disk.iterdir())
        try:
            file.write(bytes(max(size, 0)))
            file.flush()
        except OSError:
            pass


def array(path):
    with new_array(path, (2 * MEGABYTE,), np.uint8) as values:
        values[:] = 1


def table(path):
    write_table([{"case": f"p{n:09}", "text": "x" * 100} for n in range(20_000)], path)


def weights(path):
    save_weights({"weight": torch.ones(MEGABYTE)}, None, path)


def checkpoint(path):
    save_atomically({"weight": torch.ones(MEGABYTE)}, path)


def label_map(path):
    volume = np.random.default_rng(0).integers(0, 255, (160, 160, 80), dtype=np.uint8)
    write_volume(path, volume, Header.of_affine(volume.shape, np.eye(4)), checked=True)


WRITERS = {
    "images.npy": array,
    "scores.tsv": table,
    "weights.pt": weights,
    "checkpoint.pt": checkpoint,
    "p1.nii.gz": label_map,
}


@pytest.mark.parametrize("name", WRITERS)
def test_one_line_and_nothing_left(disk, name):
    path = disk / "results" / name
    with pytest.raises(InputError) as error:
        WRITERS[name](path)
    assert len(str(error.value).splitlines()) == 1
    assert str(error.value).startswith(f"{path}: could not be written")
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_there_before_is_intact_with_its_checksum(disk, name):
    path = disk / "results" / name
    path.parent.mkdir()
    before = {name: b"the file before", f".{name}.sum": b"15 00000000\n"}
    for each, content in before.items():
        (path.parent / each).write_bytes(content)
    with pytest.raises(InputError):
        WRITERS[name](path)
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == before


def test_a_disk_without_room_for_the_checksum_alone_is_no_half_written_pair(disk):
    path = disk / "weights.pt"
    save_weights({"weight": torch.ones(100)}, None, path)
    fill(disk)
    with pytest.raises(InputError, match="could not be written"):
        save_weights({"weight": torch.zeros(100)}, None, path)
    assert float(load_weights(path).state["weight"].sum()) == 100
    assert sorted(p.name for p in disk.iterdir()) == [".weights.pt.sum", "ballast", "weights.pt"]


def test_an_array_that_fits_is_written_once_there_is_room_again(disk):
    with pytest.raises(InputError):
        array(disk / "images.npy")
    with new_array(disk / "images.npy", (MEGABYTE // 2,), np.uint8) as values:
        values[:] = 3
    assert open_array(disk / "images.npy", np.uint8, (None,)).min() == 3


def test_a_job_whose_log_finds_no_room_still_says_what_failed(disk, capsys):
    fill(disk)

    def work():
        with job(disk / "train.log") as report:
            report("a line that is lost, which is no reason to stop")
            checkpoint(disk / "checkpoint.pt")

    with pytest.raises(SystemExit) as ended:
        work()
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {disk}/checkpoint.pt: could not be written")
    assert error.count("\n") == 1


PREPARE = """
import sys
from pathlib import Path
from dicegrad.data.adapters import get_adapter
from dicegrad.errors import InputError
from dicegrad.preprocessing.prepare import prepare_dataset
from dicegrad.preprocessing.settings import Preprocessing
root, out = map(Path, sys.argv[1:])
adapter = get_adapter("acdc", root)
settings = Preprocessing.from_dict({"spacing": [1, 1, 4], "size": [96, 96, 24]})
files = [out / name for name in ("images.npy", "labels.npy", "prepared.json")]
try:
    prepare_dataset(adapter.scan(root).cases, adapter, ["LV", "MYO", "RV"], settings, *files)
except InputError as error:
    print(error)
    sys.exit(1)
"""


def test_preparing_a_dataset_ends_with_one_line_and_not_by_a_signal(disk, tmp_path):
    from dicegrad.data.phantoms import write_phantom

    write_phantom("heart", tmp_path / "data", subjects=2, seed=0)
    command = [sys.executable, "-c", PREPARE, str(tmp_path / "data"), str(disk / "heart")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr  # and not -7, SIGBUS
    assert done.stdout.startswith(f"{disk}/heart/images.npy: could not be written (")
    assert done.stdout.count("\n") == 1
    assert list((disk / "heart").iterdir()) == []


def test_a_label_map_that_is_whole_is_read_again(tmp_path):
    label_map(tmp_path / "p1.nii.gz")
    assert nib.load(tmp_path / "p1.nii.gz").shape == (160, 160, 80)

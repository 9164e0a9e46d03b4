"""Files that crash the reader of other formats than NIfTI, and the process that is there for it."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dicegrad.data import apart
from dicegrad.data.volumes import read_header, read_volume
from tests.conftest import refusal
from tests.volumes import grid_of


def write(path, voxels, **about):
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    if voxels.ndim == 3:
        image.SetSpacing((0.1, 1 / 3, 7))
        image.SetOrigin((-4.7, 1e-7, 1234.5678))
    sitk.WriteImage(image, path)
    return path


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("ending", [".mha", ".nrrd", ".tif"])
def test_the_bits_are_those_of_simpleitk(tmp_path, kind, ending):
    if ending == ".tif" and kind not in ("u1", "i1", "u2", "i2", "f4"):
        pytest.skip("TIFF knows no such numbers")
    voxels = np.random.default_rng(0).normal(0, 1e4, (61, 50, 40)).astype(kind)
    path = write(tmp_path / f"a{ending}", voxels)
    image, volume = sitk.ReadImage(path), read_volume(path)
    expected = sitk.GetArrayFromImage(image).T
    assert volume.grid == grid_of(image)
    assert volume.voxels.flags.owndata or volume.voxels.base.flags.owndata
    assert volume.voxels.dtype == (np.float32 if kind == "f8" else expected.dtype)
    np.testing.assert_array_equal(volume.voxels, expected.astype(volume.voxels.dtype))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({38: 0}, "its page 2 is of another size or kind than the first"),
        ({586: 0}, "its page 3 is of another size or kind than the first"),
        ({591: 0}, "its page 3 has no width or height"),
        ({50: 9}, "its page 2 is of another size or kind than the first"),
        ({4: 255, 5: 255}, "its page 1 leads nowhere"),
        ({29: 255}, "its page 1 has"),
    ],
)
def test_pages_of_a_tiff_file_at_which_itk_crashes_or_reads_garbage_are_refused(
    tmp_path, changed, said
):
    path = tmp_path / "a.tif"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.uint8)), path)
    content = bytearray(path.read_bytes())
    for place, value in changed.items():
        content[place] = value
    path.write_bytes(content)
    for reader in (read_header, read_volume):
        assert said in refusal(reader, path)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (signal.SIGSEGV, "crashes its reader (SimpleITK), so it is damaged; write it again, as"),
        (signal.SIGPROF, "its reader does not finish, so it is damaged; write it again, as"),
        (signal.SIGKILL, "the process that read it has ended (SIGKILL), perhaps out of memory"),
    ],
)
def test_what_ends_the_reader_is_told(tmp_path, ends, said):
    path = write(tmp_path / "a.mha", np.zeros((5, 4, 3), np.uint8))
    header = read_header(path)
    process = apart._READER._process.pid
    os.kill(process, signal.SIGSTOP)  # it does not answer yet

    def end():
        time.sleep(0.3)
        os.kill(process, ends)
        os.kill(process, signal.SIGCONT)

    other = threading.Thread(target=end)
    other.start()
    assert said in refusal(read_header, path)
    other.join()
    assert read_header(path) == header


def test_a_reader_that_was_killed_meanwhile_is_started_again(tmp_path):
    path = write(tmp_path / "a.mha", np.zeros((5, 4, 3), np.uint8))
    header = read_header(path)
    apart._READER._process.kill()
    apart._READER._process.wait()
    assert read_header(path) == header


def sums(path):
    return [int(read_volume(path).voxels.sum()) for _ in range(20)]


def test_forked_workers_and_threads_do_not_read_each_others_answers(tmp_path):
    paths = [
        write(tmp_path / f"{number}.mha", np.full((30, 30, 30), number, np.uint8))
        for number in range(4)
    ]
    expected = [[number * 27000] * 20 for number in range(4)]
    assert sums(paths[1]) == expected[1]  # the parent has a reader of its own already
    with ProcessPoolExecutor(2, get_context("fork")) as pool:
        assert list(pool.map(sums, paths)) == expected
    found = {}
    threads = [
        threading.Thread(target=lambda path=path: found.update({path: sums(path)}))
        for path in paths
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[path] for path in paths] == expected


def test_a_killed_process_leaves_no_reader_behind(tmp_path):
    path = write(tmp_path / "a.mha", np.zeros((5, 4, 3), np.uint8))
    script = (
        "import os, signal; from pathlib import Path; from dicegrad.data import apart\n"
        f"apart.read_information(Path({str(path)!r}))\n"
        "print(apart._READER._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    reader = Path("/proc") / done.stdout.strip()
    for _ in range(100):
        if not reader.exists() or "(zombie)" in (reader / "status").read_text():
            return
        time.sleep(0.1)
    pytest.fail("it still runs after 10 s")


def test_nothing_in_the_folder_where_somebody_is_is_imported(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit(3)")
    (tmp_path / "SimpleITK.py").write_text("raise SystemExit(3)")
    path = write(tmp_path / "a.mha", np.zeros((5, 4, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    apart._READER.close()
    assert read_header(path).grid.size == (5, 4, 3)

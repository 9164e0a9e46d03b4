"""A file that is cut, damaged, endless or none is one line, in bounded memory and time."""

import gzip
import os
import struct
import zlib

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from dicegrad.data.volumes import read_header, read_volume
from dicegrad.errors import InputError
from tests.conftest import refusal
from tests.nifti_files import NOISE, patched, raw, save


@pytest.mark.parametrize(
    ("place", "form", "values", "said"),
    [
        (40, "<8h", (3, 0, 6, 5, 1, 1, 1, 1), "its shape is (0, 6, 5)"),
        (40, "<8h", (3, -7, 6, 5, 1, 1, 1, 1), "its shape is (-7, 6, 5)"),
        (40, "<h", (99,), "99 dimensions"),
        (42, "<3h", (32000, 32000, 32000), "truncated, its header asks for"),
        (70, "<h", (1536,), "type 1536"),
        (70, "<h", (8,), "bitpix is 16"),
        (76, "<4f", (1, np.nan, 2, 2), "pixdim"),
        (76, "<4f", (1, 0, 2, 2), "pixdim"),
        (76, "<4f", (1, 5, 2, 2), "its pixdim of 5 x 2 x 2 mm"),
        (108, "<f", (0,), "vox_offset is 0"),
        (108, "<f", (np.nan,), "vox_offset is nan"),
        (108, "<f", (1e30,), "vox_offset is 1e+30"),
        (112, "<2f", (2, np.nan), "scl_inter is nan"),
        (280, "<f", (np.inf,), "its sform is no place"),
        (344, "4s", (b"ni1\0",), "half of a pair"),
        (344, "4s", (b"oops",), "no NIfTI file"),
        (0, "<i", (7,), "no NIfTI file"),
    ],
)
def test_a_damaged_header_is_one_line_with_the_field(tmp_path, place, form, values, said):
    path = patched(save(tmp_path / "a.nii.gz"), place, form, *values)
    for reader in (read_header, read_volume):
        line = refusal(reader, path)
        assert line.startswith(f"{path}: ")
        assert said in line


@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_cut_file_is_refused_by_either_reader(tmp_path, ending, share):
    path = save(tmp_path / f"a{ending}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    for reader in (read_header, read_volume):
        assert "truncated" in refusal(reader, path) or "cannot be read" in refusal(reader, path)


def test_flipped_bytes_fail_the_checksum(tmp_path):
    path = save(tmp_path / "a.nii.gz")
    content = path.read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for place in rng.choice(np.arange(12, len(content)), 200, replace=False):
        broken = bytearray(content)
        broken[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(broken))
        try:
            voxels = read_volume(path).voxels
        except InputError:
            refused += 1
        else:  # the name that gzip notes
            np.testing.assert_array_equal(voxels, NOISE)
    assert refused > 190


def test_several_members_and_padding_are_read(tmp_path):
    path = save(tmp_path / "a.nii.gz")
    content = bytes(raw(path))
    path.write_bytes(gzip.compress(content[:400]) + gzip.compress(content[400:]) + bytes(1000))
    np.testing.assert_array_equal(read_volume(path).voxels, NOISE)
    path.write_bytes(gzip.compress(content + bytes(5000)))
    np.testing.assert_array_equal(read_volume(path).voxels, NOISE)
    assert read_header(path).grid.size == NOISE.shape


def test_zeros_without_end_behind_the_voxels_are_refused_early(tmp_path):
    path = save(tmp_path / "a.nii.gz")
    content = bytes(raw(path))
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        file.write(squeeze.compress(content))
        for _ in range(64):
            file.write(squeeze.compress(bytes(1 << 20)))
        file.write(squeeze.flush())
    for reader in (read_header, read_volume):
        assert "more than 16 MiB stand behind its last voxel" in refusal(reader, path)
    plain = tmp_path / "a.nii"
    with plain.open("wb") as file:
        file.write(content)
        file.truncate(1 << 40)  # a hole: takes no disk
    for reader in (read_header, read_volume):
        assert "stand behind its last voxel" in refusal(reader, plain)


def test_a_volume_larger_than_the_memory_is_refused_before_it_is_read(tmp_path):
    content = raw(save(tmp_path / "a.nii.gz"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    side = int((memory / 2) ** (1 / 3)) + 50
    struct.pack_into("<3h", content, 42, side, side, side)
    path = tmp_path / "a.nii"
    with path.open("wb") as file:
        file.write(content)
        file.truncate(352 + 2 * side**3)  # a hole
    for reader in (read_header, read_volume):
        assert "GiB of memory" in refusal(reader, path)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mha", ".png"])
def test_pipes_devices_and_folders_are_refused_without_waiting(tmp_path, ending):
    pipe, folder, link = (tmp_path / f"{name}{ending}" for name in ("pipe", "folder", "link"))
    os.mkfifo(pipe)
    folder.mkdir()
    link.symlink_to("/dev/zero")
    for reader in (read_header, read_volume):
        assert "is a pipe or a device; name a file" in refusal(reader, pipe)
        assert "is a pipe or a device; name a file" in refusal(reader, link)
        assert "is a folder; name a file" in refusal(reader, folder)
        assert "cannot be read (No such file" in refusal(reader, tmp_path / f"no{ending}")


def test_a_header_cannot_send_the_reader_to_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    text = "ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementType = MET_UCHAR\n"
    for name in ("pipe", "/dev/zero", "LIST"):
        (tmp_path / "a.mha").write_text(text + f"ElementDataFile = {name}\n")
        refusal(read_volume, tmp_path / "a.mha")
    (tmp_path / "a.mha").write_text(
        text.replace("4 4 4", "9999 9999 9999") + "ElementDataFile = LOCAL\n"
    )
    assert "truncated" in refusal(read_volume, tmp_path / "a.mha")


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mha", ".nrrd", ".png"])
def test_no_mutated_file_gives_anything_but_one_line_or_what_nibabel_reads(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    if ending.startswith(".nii"):
        save(path, codes=(1, 1))
    else:
        array = NOISE[:, :, 0].astype(np.uint8) if ending == ".png" else NOISE
        sitk.WriteImage(sitk.GetImageFromArray(np.ascontiguousarray(array.T)), path)
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    content = gzip.decompress(whole) if ending == ".nii.gz" else whole
    read = 0
    for _ in range(300):
        broken = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            broken[rng.integers(min(len(broken), 400))] = rng.integers(256)
        if rng.random() < 0.1:
            del broken[rng.integers(len(broken)) :]
        path.write_bytes(gzip.compress(broken, 1) if ending == ".nii.gz" else broken)
        try:
            voxels = read_volume(path).voxels
        except InputError:
            refusal(read_volume, path)
            continue
        read += 1
        if ending.startswith(".nii"):
            seen = np.asarray(nib.load(path).dataobj).reshape(voxels.shape)
            np.testing.assert_allclose(voxels, seen.astype(voxels.dtype), rtol=1e-5)
    assert read > 5 or ending == ".png"

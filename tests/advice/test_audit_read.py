"""The audit reads every label map that nibabel reads, and names the one that it cannot."""

import gzip
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from dicegrad.advice.audit import audit, parse_classes
from dicegrad.advice.audit_read import count, find_labels
from tests.advice.labels import block, write
from tests.conftest import refusal
from tests.decathlon import write_decathlon


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_every_type_of_map_is_counted_as_nibabel_reads_it(tmp_path, dtype):
    rng = np.random.default_rng(0)
    path = write(tmp_path / "a.nii.gz", rng.integers(0, 4, (5, 6, 7)), (0.5, 0.5, 3), dtype)
    values, voxels = np.unique(np.asarray(nib.load(path).dataobj), return_counts=True)
    found = count(path)
    assert found.voxels == {int(v): int(n) for v, n in zip(values, voxels, strict=True) if v}
    assert found.ml == pytest.approx(0.75 / 1000)


def test_a_gzip_of_several_members_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "a.nii", block(1, 64))
    raw = path.read_bytes()
    both = tmp_path / "b.nii.gz"
    both.write_bytes(gzip.compress(raw[:380]) + gzip.compress(raw[380:]))
    assert count(both).voxels == {1: 64}


@pytest.mark.parametrize("dtype", [np.dtype("<u2"), np.dtype("<f4")])
def test_counting_makes_no_second_copy_of_the_voxels(tmp_path, dtype):
    path = write(tmp_path / "a.nii.gz", np.eye(200)[..., None] * np.ones(100), dtype=dtype)
    count(path)  # what is imported on the way
    tracemalloc.start()
    count(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    voxels = 200 * 200 * 100
    # The voxels, one byte each for those that are not 0, and what is read at once.
    assert peak < voxels * (dtype.itemsize + 1) + (2 << 20)


def test_many_maps_are_read_by_several_processes(tmp_path):
    for i in range(30):
        write(tmp_path / f"{i:02d}.nii.gz", block(1, i))
    found = audit(tmp_path).classes["1"]
    assert (found.filled, found.empty) == (29, 1)
    assert found.volumes.voxels["median"] == 15


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda f: (f / "p1_0.nii.gz").write_bytes(b"\x1f\x8bno"), "cannot be read"),
        (lambda f: write(f / "p1_0.nii.gz", block(1, 3) * 0.5, dtype=np.float32), "holds 0.5"),
        (lambda f: (f / "p1_0.nii.gz").write_bytes(b"short"), "is no NIfTI file"),
    ],
)
def test_a_broken_map_is_named_in_one_line(folder, break_it, told):
    break_it(folder)
    line = refusal(audit, folder)
    assert "p1_0.nii.gz" in line
    assert told in line


def test_every_volume_of_a_folder_is_a_map_whatever_its_ending(tmp_path):
    image = sitk.GetImageFromArray(block(1, 3).astype(np.uint8))
    for name in ("a.mha", "b.mhd", "c.nrrd", "d.nhdr", "e.nii", "F.nii.gz"):
        sitk.WriteImage(image, str(tmp_path / name))
    (tmp_path / "F.nii.gz").rename(tmp_path / "F.NII.GZ")
    (tmp_path / "notes.txt").write_text("drawn by A")
    (tmp_path / "._a.nii.gz").write_bytes(b"what macOS leaves behind")
    sitk.WriteImage(image[:, :, 0], str(tmp_path / "a preview.png"))
    found = audit(tmp_path)
    assert (found.cases, found.classes["1"].filled) == (6, 6)
    assert [each.case for each in find_labels(tmp_path).files] == ["F", *"abcde"]


def test_pictures_are_maps_where_there_is_nothing_else(tmp_path):
    for name in ("a.png", "b.TIF"):
        image = sitk.GetImageFromArray(block(1, 3)[0].astype(np.uint8))
        sitk.WriteImage(image, str(tmp_path / name.lower()))
        (tmp_path / name.lower()).rename(tmp_path / name)
    assert audit(tmp_path).classes["1"].filled == 2


def test_what_is_not_a_folder_of_maps_is_refused_with_what_to_name(tmp_path):
    path = write(tmp_path / "labels" / "a.nii.gz", block(1, 3))
    assert "is one label map; name its folder, or a table" in refusal(audit, path)
    assert f"such as {path.parent}" in refusal(audit, tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    assert f"name the folder that it lies in, {tmp_path}" in refusal(
        audit, tmp_path / "dataset.json"
    )
    (tmp_path / "dataset.json").unlink()
    pair = nib.Nifti1Pair(block(1, 3).astype(np.uint8), np.eye(4))
    nib.save(pair, tmp_path / "labels" / "b.hdr")
    assert "b.hdr: is one half of a pair" in refusal(audit, path.parent)


def test_two_maps_of_one_case_are_told_and_neither_is_dropped(folder, tmp_path):
    write(folder / "p1_0.nii", block(1, 3))
    line = refusal(audit, folder)
    assert "case p1_0 has 2 label maps" in line
    assert "p1_0.nii.gz; keep one" in line
    table = tmp_path / "cases.csv"
    table.write_text("case,label\na,labels/p1_1.nii.gz\na,labels/p1_2.nii.gz\n")
    assert "case a has 2 label maps" in refusal(audit, table)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("scan_000\ta\tA\nscan_000\tb\tB\n", "case scan_000 comes twice"),
        ("scan_000\ta\tA\n", "no line for case scan_001; add one"),
    ],
)
def test_groups_of_a_dataset_are_read_as_a_study_reads_them(tmp_path, rows, told):
    root = write_decathlon(tmp_path / "balls", count=2)
    (root / "groups.tsv").write_text("case\tsubject\tgroup\n" + rows)
    assert told in refusal(audit, root)


def test_a_class_of_the_value_0_is_refused():
    assert "'a=0,1' has 0, which is background" in refusal(parse_classes, ["a=0,1"])

"""A copy of an image under two subjects is told: a fold would train on what another one tests."""

import gzip
import json
import os
import shutil

import nibabel as nib
import numpy as np
import pytest

from dicegrad.data.adapter import Case
from dicegrad.data.adapters import get_adapter
from dicegrad.data.copies import copied_images, copies_within, lines_on_copies
from tests.cli.conftest import run
from tests.nifti_files import NOISE, save


def case(name, *images, subject=None):
    return Case(name, subject or name, "all", images, images[0])


def test_a_copy_is_named_with_both_cases(heart, capsys):
    adapter = get_adapter("acdc", heart)
    cases = adapter.scan(heart).cases
    one = next(each for each in cases if each.subject == "patient001")
    two = next(each for each in cases if each.subject == "patient002")
    shutil.copyfile(one.images[0], two.images[0])
    shutil.copyfile(one.label, two.label)
    assert lines_on_copies(cases) == [
        f"{two.images[0]}: is a copy of {one.images[0]}, and cases {two.case} and {one.case} are "
        "of two subjects, which may fall into two folds; remove one, or give both one subject"
    ]
    code, out, err = run(capsys, "check", "acdc", heart)
    assert (code, err) == (0, "")
    assert lines_on_copies(cases)[0] in out.splitlines()
    _, out, _ = run(capsys, "check", "acdc", heart, "--json")
    assert json.loads(out)["copies"] == lines_on_copies(cases)


def test_many_copies_are_ten_lines_and_a_number(tmp_path):
    paths = [save(tmp_path / "0.nii.gz")]
    for number in range(1, 15):
        paths.append(tmp_path / f"{number}.nii.gz")
        shutil.copyfile(paths[0], paths[-1])
    lines = lines_on_copies([case(path.name, path) for path in paths])
    assert (len(lines), lines[-1]) == (11, "and 4 more such copies")


@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_a_copy_of_one_channel_is_enough_and_other_voxels_are_no_copy(tmp_path, ending):
    paths = [tmp_path / f"{number}{ending}" for number in range(4)]
    for number, path in enumerate(paths):
        image = nib.Nifti1Image(NOISE + np.int16(number), np.eye(4))
        image.to_filename(path)
    assert list(copied_images([case("a", *paths[:2]), case("b", *paths[2:])])) == []
    shutil.copyfile(paths[1], paths[2])
    (line,) = copied_images([case("a", *paths[:2]), case("b", *paths[2:])])
    assert line.startswith(f"{paths[2]}: is a copy of {paths[1]}, and cases b and a are")


def test_a_copy_that_was_compressed_otherwise_at_another_time_is_one(tmp_path):
    path, other = save(tmp_path / "a.nii.gz"), tmp_path / "b.nii.gz"
    other.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=12345))
    assert other.read_bytes() != path.read_bytes()
    assert len(list(copied_images([case("a", path), case("b", other)]))) == 1
    # The checksum alone is not believed: same end, another beginning.
    content = bytearray(other.read_bytes())
    content[50] ^= 1
    other.write_bytes(content)
    assert list(copied_images([case("a", path), case("b", other)])) == []


def test_one_subject_may_have_copies_and_what_cannot_be_read_is_passed_over(tmp_path):
    path, other = save(tmp_path / "a.nii.gz"), tmp_path / "b.nii.gz"
    shutil.copyfile(path, other)
    both = [case("a", path, subject="p"), case("b", other, subject="p")]
    assert list(copied_images(both)) == []
    (tmp_path / "empty.nii").write_bytes(b"")
    odd = [case("c", tmp_path / "empty.nii"), case("d", tmp_path), case("e", tmp_path / "no.nii")]
    assert list(copied_images([*both, *odd])) == []
    (tmp_path / "link.nii.gz").symlink_to(path)  # the same file: told elsewhere
    assert list(copied_images([case("a", path), case("f", tmp_path / "link.nii.gz")])) == []


def test_a_copy_is_one_whether_or_not_it_was_compressed(tmp_path):
    zipped, plain = save(tmp_path / "a.nii.gz"), save(tmp_path / "b.nii")
    assert len(list(copied_images([case("a", zipped), case("b", plain)]))) == 1
    assert len(list(copied_images([case("b", plain), case("a", zipped)]))) == 1


@pytest.mark.parametrize("make", [shutil.copyfile, os.link, os.symlink])
@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_two_channels_of_one_content_are_told(tmp_path, make, ending):
    one = save(tmp_path / f"one{ending}")
    label = save(tmp_path / f"label{ending}", (NOISE > 0).astype(np.int16))
    two = save(tmp_path / f"two{ending}", NOISE + np.int16(1))
    both = Case("a", "a", "all", (one, two), label)
    assert lines_on_copies([both]) == []
    two.unlink()
    make(one, two)
    assert lines_on_copies([both]) == [
        f"{two}: is a copy of {one}, another channel of case a; put the image of its own channel "
        "there"
    ]


def test_an_image_that_is_a_copy_of_its_label_map_is_told(tmp_path):
    label = save(tmp_path / "label.nii.gz", (NOISE > 0).astype(np.int16))
    image = tmp_path / "image.nii.gz"
    image.write_bytes(gzip.compress(gzip.decompress(label.read_bytes()), 1))
    assert lines_on_copies([Case("a", "a", "all", (image,), label)]) == [
        f"{image}: is a copy of {label}, the label map of case a, so that a network would see the "
        "truth; put the image there"
    ]


def test_one_file_of_all_channels_is_no_copy_and_one_that_is_missing_is_passed_over(tmp_path):
    image, gone = save(tmp_path / "image.nii.gz"), tmp_path / "gone.nii.gz"
    assert list(copies_within([Case("a", "a", "all", (image, image), gone)])) == []

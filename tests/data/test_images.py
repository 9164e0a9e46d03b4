import nibabel as nib
import numpy as np
import pytest

from dicegrad.data.images import find_images, line_on_folders
from dicegrad.errors import InputError

ONE, TWO = ("cine",), ("flair", "t1")


def write(path, shape=(4, 4, 2), spacing=1.0):
    affine = np.diag([spacing] * 3 + [1])
    nib.save(nib.Nifti1Image(np.ones(shape, np.int16), affine), path)
    return path


def fault(inputs, channels):
    with pytest.raises(InputError) as error:
        find_images(inputs, channels)
    return str(error.value)


def test_a_folder_gives_its_cases_with_their_channels_in_order(tmp_path):
    for name in ("b_0001.nii.gz", "b_0000.nii.gz", "a_1_0000.nii", "a_1_0001.nii.gz"):
        write(tmp_path / name)
    write(tmp_path / "b.nii.gz", (9, 9, 9))  # a label map, say
    (tmp_path / "._b_0000.nii.gz").touch()
    (tmp_path / "dataset.json").touch()
    assert find_images([tmp_path], TWO) == {
        "a_1": (tmp_path / "a_1_0000.nii", tmp_path / "a_1_0001.nii.gz"),
        "b": (tmp_path / "b_0000.nii.gz", tmp_path / "b_0001.nii.gz"),
    }


def test_files_are_a_case_each_where_there_is_one_channel(tmp_path):
    paths = [write(tmp_path / name) for name in ("x.nii.gz", "c_0000.nii.gz", "a.b.nii")]
    x, c, a_b = ((path,) for path in paths)
    assert find_images(paths, ONE) == {"a.b": a_b, "c": c, "x": x}


def test_a_folder_may_have_one_file_a_case_with_all_channels(tmp_path):
    paths = [write(tmp_path / name) for name in ("a.nii.gz", "b.nii.gz")]
    assert find_images([tmp_path], ONE) == {"a": (paths[0],), "b": (paths[1],)}
    for path in paths:
        write(path, (4, 4, 2, 2))
    assert find_images([tmp_path], TWO) == {"a": (paths[0],) * 2, "b": (paths[1],) * 2}


def test_files_are_the_channels_of_one_case_where_there_are_several(tmp_path):
    paths = [write(tmp_path / name) for name in ("s_t2.nii.gz", "s_flair.nii.gz")]
    assert find_images(paths, TWO) == {"s_t2": tuple(paths)}


@pytest.mark.parametrize(
    ("names", "channels", "message"),
    [
        ([], ONE, "no image in it; put NAME_0000.nii.gz there"),
        (["notes.txt"], ONE, "no image in it; put NAME_0000.nii.gz there"),
        (["a.nii.gz"], TWO, "holds one volume, shape (4, 4, 2), for 2 channels; give one"),
        (["a.nii.gz", "a.nii"], ONE, "are called a; remove one"),
        (["a_0000.nii.gz"], TWO, "case a: channel t1 is missing; add "),
        (["a_0001.nii.gz"], TWO, "case a: channel flair is missing; add "),
        (["a_0000.nii.gz", "a_0001.nii.gz"], ONE, "a_0001, but the dataset has 1 channel, cine"),
        (["a_0000.nii.gz", "a_0000.nii"], ONE, "a_0000 with two endings; remove one"),
        (["a_0000.nii.gz", "b.nii"], ONE, "b.nii: has no channel number, and others have; call it"),
    ],
)
def test_a_folder_that_does_not_fit_the_dataset_is_one_line(tmp_path, names, channels, message):
    for name in names:
        write(tmp_path / name) if ".nii" in name else (tmp_path / name).touch()
    text = fault([tmp_path], channels)
    assert message in text
    assert "\n" not in text
    assert str(tmp_path) in text


def test_every_case_that_cannot_be_used_has_a_line(tmp_path):
    write(tmp_path / "a_0000.nii.gz")
    for name in ("b", "c", "d"):
        write(tmp_path / f"{name}_0000.nii.gz")
        write(tmp_path / f"{name}_0001.nii.gz")
    write(tmp_path / "b_0001.nii.gz", (4, 4, 2, 3))
    write(tmp_path / "c_0001.nii.gz", spacing=2.0)
    (tmp_path / "d_0000.nii.gz").write_bytes(b"no image")
    lines = fault([tmp_path], TWO).splitlines()
    assert len(lines) == 4
    assert "case a: channel t1 is missing" in lines[0]
    assert "b_0001.nii.gz: shape is (4, 4, 2, 3), 4-D; give one 3-D volume per file" in lines[1]
    assert "c_0000.nii.gz lies: spacing 2 x 2 x 2 mm instead of 1 x 1 x 1 mm; resample" in lines[2]
    assert "d_0000.nii.gz: is no NIfTI file" in lines[3]


@pytest.mark.parametrize(
    ("names", "channels", "message"),
    [
        (["no.nii.gz"], ONE, "no.nii.gz: no such file or folder"),
        (["a.nii.gz", "notes.txt"], ONE, "notes.txt: not an image"),
        (["a.nii.gz", "folder"], ONE, "folder: a folder among several inputs"),
        (["a.nii.gz", "a_0000.nii.gz"], ONE, "two images are called a; predict them into"),
        (["_0000.nii.gz"], ONE, "_0000.nii.gz: has no name before its ending; rename it"),
        (["a.nii.gz"], TWO, "1 file, but the dataset has 2 channels, flair, t1; name one file a"),
        (["a.nii.gz"] * 4, TWO, "4 files, but the dataset has 2 channels"),
    ],
)
def test_files_that_do_not_fit_the_dataset_are_one_line(tmp_path, names, channels, message):
    write(tmp_path / "a.nii.gz")
    write(tmp_path / "a_0000.nii.gz")
    write(tmp_path / "_0000.nii.gz")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder").mkdir()
    text = fault([tmp_path / name for name in names], channels)
    assert message in text
    assert "\n" not in text


def test_what_is_called_an_image_and_is_no_file_has_a_line(tmp_path):
    (tmp_path / "a_0000.nii.gz").mkdir()
    (tmp_path / "b_0000.nii.gz").symlink_to(tmp_path / "nowhere.nii.gz")
    write(tmp_path / "c_0000.nii.gz")
    lines = fault([tmp_path], ONE).splitlines()
    said = "a folder, or a link that leads nowhere; put the image there"
    assert lines == [f"{tmp_path / name}_0000.nii.gz: {said}" for name in ("a", "b")]


def test_images_in_folders_within_are_told_but_for_label_maps(tmp_path):
    out = tmp_path / "predicted"
    for inner in (tmp_path / "site", out / "probabilities", tmp_path / ".cache"):
        inner.mkdir(parents=True)
        write(inner / "a_0000.nii.gz")
    (tmp_path / "site" / "notes.txt").touch()
    assert line_on_folders([tmp_path], out) == (
        f"{tmp_path}: 1 image in folders within it, such as site/a_0000.nii.gz, is passed over; "
        "predict each folder by itself"
    )
    assert line_on_folders([tmp_path / "site"], out) == ""
    assert line_on_folders([tmp_path / "site" / "a_0000.nii.gz"], out) == ""

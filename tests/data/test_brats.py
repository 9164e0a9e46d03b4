import gzip
import shutil

import pytest

from dicegrad.data.brats import ARCHIVE_FOLDER, BRATS
from dicegrad.errors import InputError
from tests.conftest import find_cases, raw_files


def test_hgg_comes_before_lgg_and_the_case_is_the_subject(tumor):
    cases = find_cases("brats", tumor)
    names = [f"Brats18_PHANTOM_000{n}_1" for n in (1, 3, 2)]
    assert [case.case for case in cases] == names
    assert [case.subject for case in cases] == names
    assert [case.group for case in cases] == ["HGG", "HGG", "LGG"]


def test_the_channels_are_flair_t1_t1ce_t2_in_this_order(tumor):
    assert BRATS.channels == ("flair", "t1", "t1ce", "t2")
    case = find_cases("brats", tumor)[0]
    assert [path.name.split("_")[-1] for path in (*case.images, case.label)] == [
        "flair.nii.gz",
        "t1.nii.gz",
        "t1ce.nii.gz",
        "t2.nii.gz",
        "seg.nii.gz",
    ]


def test_the_folder_of_the_official_archive_is_found_within_the_root(tumor, tmp_path):
    direct = [case.case for case in find_cases("brats", tumor)]
    shutil.move(tumor, tmp_path / "data" / ARCHIVE_FOLDER)
    assert [case.case for case in find_cases("brats", tmp_path / "data")] == direct


def test_uncompressed_volumes_are_taken_too(tumor):
    seg = find_cases("brats", tumor)[0].label
    plain = seg.with_name(seg.name.removesuffix(".gz"))
    plain.write_bytes(gzip.decompress(seg.read_bytes()))
    seg.unlink()
    assert find_cases("brats", tumor)[0].label == plain
    assert plain in raw_files("brats", tumor)


def test_five_files_a_subject_and_nothing_else_are_read(tumor):
    (tumor / "HGG" / "survival.csv").touch()
    (tumor / "HGG" / "Brats18_PHANTOM_0001_1" / "notes.txt").touch()
    files = raw_files("brats", tumor)
    assert len(files) == 15
    assert all(path.name.endswith(".nii.gz") for path in files)


def test_a_root_that_does_not_exist_is_named_with_what_belongs_there(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: does not exist; .*HGG/ and LGG/"):
        find_cases("brats", tmp_path / "nowhere")


def test_a_root_without_a_case_is_named_at_planning_too(tmp_path):
    (tmp_path / "HGG").mkdir()
    for function in (find_cases, raw_files):
        with pytest.raises(InputError, match="no case in it"):
            function("brats", tmp_path)


def test_whole_tumor_is_every_value_but_zero_and_is_written_as_one():
    assert BRATS.raw_values == (0, 1, 2, 4)
    assert BRATS.class_values["tumor"][0] == 1

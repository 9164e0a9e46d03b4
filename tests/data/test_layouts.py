"""Which layout a folder has is found out, as people have them."""

import json
import shutil

import numpy as np
import pytest

from dicegrad.data.adapters import detect, get_adapter
from dicegrad.data.checks import find_problems
from dicegrad.data.volumes import read_volume
from dicegrad.errors import InputError
from tests.conftest import find_cases
from tests.layouts import LABELS, anatomy, describe, itk

ABOUT = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "tumor": 1}}
OF_2018 = ("flair", "t1", "t1ce", "t2", "seg")
OF_2023 = ("t2f", "t1n", "t1c", "t2w", "seg")


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def brats(root, *folders, parts=OF_2018, joint="_"):
    for folder in folders:
        name = folder.rpartition("/")[2]
        touch(root, *(f"{folder}/{name}{joint}{part}.nii.gz" for part in parts))


def test_a_table_a_dataset_json_acdc_and_brats_are_told_apart(tmp_path, heart, tumor):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dataset.json").write_text(json.dumps(ABOUT))
    assert detect(tmp_path / "mine") == "nnunet"
    (tmp_path / "mine" / "cases.tsv").touch()
    assert detect(tmp_path / "mine") == "table"
    assert detect(heart) == "acdc"
    assert detect(tumor) == "brats"
    assert get_adapter("auto", heart).name == "acdc"


def test_a_folder_that_is_none_is_told_what_it_should_hold(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: does not exist; name the folder"):
        detect(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"unknown layout; .*cases.tsv.*HGG/ and LGG/"):
        detect(tmp_path)
    touch(tmp_path, "Task04_Hippocampus/dataset.json")
    with pytest.raises(InputError, match=r"did you mean .*/Task04_Hippocampus\?$"):
        detect(tmp_path)


@pytest.mark.parametrize("wrapped", ["", "training", "database/training", "ACDC/database/training"])
def test_acdc_is_found_however_its_archive_wraps_it(heart, tmp_path, wrapped):
    root = tmp_path / "data"
    shutil.copytree(heart / "training", root / wrapped, dirs_exist_ok=True)
    touch(root, "ACDC/database/testing/patient101/Info.cfg")
    assert detect(root) == "acdc"
    assert [case.subject for case in find_cases("auto", root)][::2] == ["patient001", "patient002"]


@pytest.mark.parametrize("year", [2018, 2019])
def test_brats_of_2018_and_2019_has_folders_of_grades(tmp_path, year):
    inside = f"MICCAI_BraTS_{year}_Data_Training"
    brats(tmp_path, f"{inside}/HGG/BraTS19_A_1", f"{inside}/LGG/BraTS19_B_1")
    adapter = get_adapter("auto", tmp_path)
    assert (adapter.name, adapter.groups) == ("brats", ("HGG", "LGG"))
    assert [case.group for case in find_cases("auto", tmp_path)] == ["HGG", "LGG"]


def test_brats_of_2020_has_its_grades_in_a_table_and_one_label_of_another_name(tmp_path):
    inside = tmp_path / "MICCAI_BraTS2020_TrainingData"
    names = [f"BraTS20_Training_{n}" for n in ("001", "002", "355")]
    brats(inside, *names)
    (inside / names[2] / f"{names[2]}_seg.nii.gz").unlink()
    touch(inside, f"{names[2]}/W39_1998.09.19_Segm.nii")
    lines = ["Grade,BraTS_2019_subject_ID,BraTS_2020_subject_ID"]
    lines += [f"{g},NA,{n}" for g, n in zip(("LGG", "HGG", "HGG"), names, strict=True)]
    (inside / "name_mapping.csv").write_text("\n".join(lines))
    assert get_adapter("auto", tmp_path).groups == ("HGG", "LGG")
    cases = find_cases("auto", tmp_path)
    assert [(case.case, case.group) for case in cases] == [
        (names[0], "LGG"),
        (names[1], "HGG"),
        (names[2], "HGG"),
    ]
    assert cases[2].label.name == "W39_1998.09.19_Segm.nii"


def test_brats_of_2021_has_no_grades(tmp_path):
    brats(tmp_path, "BraTS2021_00000", "BraTS2021_00002")
    touch(tmp_path, "._BraTS2021_00000/BraTS2021_00000_seg.nii.gz")
    adapter = get_adapter("auto", tmp_path)
    assert adapter.groups == ("all",)
    assert adapter.class_values == {"tumor": (1, 2, 4)}
    assert len(find_cases("auto", tmp_path)) == 2


def test_brats_of_2023_has_other_names_and_3_for_the_enhancing_tumor(tmp_path):
    names = ("BraTS-GLI-00000-000", "BraTS-GLI-00000-001", "BraTS-PED-00003-000")
    brats(tmp_path / "TrainingData", *names, parts=OF_2023, joint="-")
    adapter = get_adapter("auto", tmp_path)
    assert adapter.groups == ("GLI", "PED")
    assert adapter.class_values == {"tumor": (1, 2, 3)}
    cases = find_cases("auto", tmp_path)
    assert [case.subject for case in cases] == [
        "BraTS-GLI-00000",
        "BraTS-GLI-00000",
        "BraTS-PED-00003",
    ]
    # The channels in the same order as those of the other years.
    assert [path.name.split("-")[-1] for path in cases[0].images] == [
        f"{part}.nii.gz" for part in OF_2023[:4]
    ]


@pytest.mark.parametrize(
    "ending", [".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr", ".tif", ".png"]
)
def test_every_file_ending_that_is_promised_is_read(tmp_path, ending):
    describe(tmp_path, channel_names={"0": "x"}, labels=LABELS, file_ending=ending)
    image, label = anatomy(0)
    flat = ending == ".png"
    image, label = (part[:, :, 3] if flat else part for part in (image // 2, label))
    itk(tmp_path / "imagesTr" / f"a_0000{ending}", image.clip(0, 255).astype(np.uint8))
    itk(tmp_path / "labelsTr" / f"a{ending}", label)
    (case,) = find_cases("auto", tmp_path)
    assert find_problems([case], get_adapter("auto", tmp_path)) == []
    read = read_volume(case.label)
    np.testing.assert_array_equal(read.voxels, label.reshape(*label.shape[:2], -1))

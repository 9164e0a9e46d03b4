import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dicegrad.data.acdc import ACDC
from dicegrad.data.checks import check_voxels, find_problems
from dicegrad.errors import InputError
from tests.conftest import find_cases, raw_files, refusal


def test_each_patient_gives_ed_then_es_with_the_frames_of_info_cfg(heart):
    cases = find_cases("acdc", heart)
    assert [case.case for case in cases] == [
        "patient001_ED",
        "patient001_ES",
        "patient002_ED",
        "patient002_ES",
    ]
    assert [case.subject for case in cases] == ["patient001"] * 2 + ["patient002"] * 2
    assert [case.group for case in cases] == ["ED", "ES"] * 2
    assert cases[3].images[0].name == "patient002_frame09.nii.gz"
    assert cases[3].label.name == "patient002_frame09_gt.nii.gz"


def test_a_root_that_holds_the_patients_directly_is_read_alike(heart):
    assert find_cases("acdc", heart / "training") == find_cases("acdc", heart)


def test_other_files_beside_the_frames_are_ignored(heart):
    before = find_cases("acdc", heart), raw_files("acdc", heart)
    folder = heart / "training" / "patient001"
    (folder / "patient001_4d.nii.gz").touch()
    (folder / "patient001_frame05.nii.gz").touch()
    (heart / "training" / "MANDATORY_CITATION.md").touch()
    assert (find_cases("acdc", heart), raw_files("acdc", heart)) == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ES: 8\n", "no line `ED: <frame>`"),
        ("ED: first\nES: 8\n", "`ED: first`"),
        ("ED: 1\nES: 0\n", "`ES: 0`"),
        ("ED: 1\nES: -3\n", "`ES: -3`"),
        ("ED: 4\nES: 4\n", "same frame 4"),
        ("", "no line `ED: <frame>`"),
    ],
)
def test_a_malformed_info_cfg_is_named_with_what_it_says(heart, text, says):
    info = heart / "training" / "patient001" / "Info.cfg"
    info.write_text(text)
    with pytest.raises(InputError) as error:
        find_cases("acdc", heart)
    assert str(info) in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_an_info_cfg_that_is_a_pipe_or_a_device_is_refused_without_waiting(heart):
    info = heart / "training" / "patient001" / "Info.cfg"
    info.unlink()
    os.mkfifo(info)
    (device := heart / "training" / "patient002" / "Info.cfg").unlink()
    device.symlink_to("/dev/zero")
    problems = ACDC.scan(heart).problems
    assert problems == tuple(f"{path}: is not a regular file" for path in (info, device))
    assert info not in raw_files("acdc", heart)  # planning reads it too


def test_a_comment_in_latin_1_does_no_harm_and_utf_16_is_named(heart):
    info = heart / "training" / "patient001" / "Info.cfg"
    text = info.read_text()
    info.write_bytes(f"# Überweisung\n{text}".encode("latin-1"))
    assert find_cases("acdc", heart)
    info.write_bytes(text.encode("utf-16-le"))
    assert "is not UTF-8 text (byte 2 is 0)" in refusal(find_cases, "acdc", heart)


def test_a_missing_info_cfg_is_named_and_both_faults_are_counted(heart):
    for patient in ("patient001", "patient002"):
        (heart / "training" / patient / "Info.cfg").unlink()
    with pytest.raises(InputError, match=r"patient001/Info.cfg: missing.*\(and 1 more problem\)"):
        find_cases("acdc", heart)


def test_windows_line_ends_and_stray_blanks_in_info_cfg_do_no_harm(heart):
    info = heart / "training" / "patient001" / "Info.cfg"
    before = find_cases("acdc", heart)
    info.write_bytes(b"Group: DCM\r\n ED:1 \r\nES :  8\r\n".replace(b"ES :", b"ES:"))
    assert find_cases("acdc", heart) == before


def test_planning_is_content_with_empty_files(tmp_path):
    folder = tmp_path / "training" / "patient001"
    folder.mkdir(parents=True)
    names = ["Info.cfg"]
    names += [f"patient001_frame{n}{gt}.nii.gz" for n in ("01", "12") for gt in ("", "_gt")]
    for name in [*names, "patient001_4d.nii.gz"]:
        (folder / name).touch()
    assert raw_files("acdc", tmp_path) == sorted(folder / name for name in names)


def test_the_first_raw_value_of_a_class_is_the_one_acdc_itself_uses():
    assert ACDC.class_values == {"LV": (3,), "MYO": (2,), "RV": (1,)}
    assert ACDC.raw_values == (0, 1, 2, 3)


@pytest.mark.skipif("DICEGRAD_ACDC" not in os.environ, reason="DICEGRAD_ACDC names no ACDC folder")
def test_the_real_acdc_has_200_cases_without_a_problem():
    root = Path(os.environ["DICEGRAD_ACDC"])
    cases = find_cases("acdc", root)
    assert len(cases) == 200
    assert find_problems(cases, ACDC) == []
    for case in cases[::20]:
        image, label = (np.asarray(nib.load(p).dataobj) for p in (case.images[0], case.label))
        check_voxels(case, [image], label, ACDC)

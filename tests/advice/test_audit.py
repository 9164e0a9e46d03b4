"""`audit` counts filled, empty and not annotated maps, and flags what nobody may have drawn."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dicegrad.advice.audit import audit, parse_classes
from dicegrad.advice.audit_flags import find_flags
from dicegrad.advice.audit_read import find_labels
from dicegrad.advice.audit_types import Map
from dicegrad.cli import main
from tests.advice.labels import block, write
from tests.conftest import refusal

HERE = [each / "shared" / "data" for each in Path(__file__).parents]
SHARED = next((each for each in HERE if each.is_dir()), Path("shared/data"))


def test_maps_are_filled_or_empty_and_volumes_are_voxels_and_ml(folder):
    found = audit(folder, classes={"lesion": (2, 3, 4)}).classes["lesion"]
    assert (found.filled, found.empty, found.not_annotated) == (3, 1, 0)
    assert found.volumes.voxels == {"median": 11, "min": 10, "max": 12}
    assert found.volumes.ml["median"] == pytest.approx(11 * 2 / 1000)
    assert found.epsilon_heuristic == pytest.approx((10 + 11 + 12 + 0) / 4)
    assert found.overtakes["1e-5"] == pytest.approx((4 * 11 * 1e-5) ** 0.5)


def test_without_classes_every_value_is_one(folder):
    found = audit(folder)
    assert list(found.classes) == ["2", "3", "4"]
    assert (found.classes["2"].filled, found.classes["2"].empty) == (1, 3)


def test_a_value_of_no_class_and_a_class_of_no_voxel_are_told(folder):
    found = audit(folder, classes={"lesion": (2, 3), "cyst": (9,)})
    assert found.notes == (
        "cyst: no label map holds 9; the values that occur are 2, 3, 4",
        "value 4 is of no class and not counted; 1 of 4 label maps hold it",
    )
    assert all(note in found.text for note in found.notes)
    assert audit(folder).notes == ()


def test_a_case_of_the_table_without_a_map_is_not_annotated(folder, tmp_path):
    table = tmp_path / "sheet.csv"
    lines = ["patient,study,site"]
    lines += ["p1,0,A", "p1,1,A", "p1,2,B", "p2,0,B", "p3,0,B", "p4,0,B"]
    table.write_text("\n".join(lines))
    found = audit(folder, classes={"lesion": (2, 3, 4)}, annotated=table, groups="site")
    own = found.classes["lesion"]
    assert (own.filled, own.empty, own.not_annotated) == (3, 1, 2)
    site = found.groups["B"]["lesion"]
    assert (site.filled, site.empty, site.not_annotated) == (1, 1, 2)
    assert found.without_map == 2


@pytest.mark.parametrize(
    ("column", "words", "counts"),
    [
        ("annotated", ["all", "none", "a,b", "b"], (2, 0, 2)),
        ("annotated", ["yes", "no", "1", "0"], (2, 0, 2)),
        ("a", ["1", "0", "1", "1"], (2, 1, 1)),
    ],
)
def test_a_table_says_by_class_what_was_looked_for(tmp_path, column, words, counts):
    for i, value in enumerate([1, 0, 1, 0]):
        write(tmp_path / f"c{i}.nii", block(value, 5))
    table = tmp_path / "known.tsv"
    rows = [f"c{i}\t{word}" for i, word in enumerate(words)]
    table.write_text("\n".join([f"case\t{column}", *rows]))
    found = audit(tmp_path, classes={"a": (1,), "b": (2,)}, annotated=table).classes["a"]
    assert (found.filled, found.empty, found.not_annotated) == counts


def test_a_column_can_be_named(tmp_path):
    for i in range(2):
        write(tmp_path / f"c{i}.nii", block(1, 5))
    (tmp_path / "t.csv").write_text("case;drawn\nc0;yes\nc1;no\n")
    found = audit(tmp_path, annotated=tmp_path / "t.csv", annotated_column="drawn").classes["1"]
    assert (found.filled, found.not_annotated) == (1, 1)


def test_a_name_of_a_table_draws_nothing_on_the_terminal(folder, tmp_path):
    table = tmp_path / "sheet.csv"
    cases = ["p1_0", "p1_1", "p1_2", "p2_0"]
    table.write_text("\n".join(["case,site", *(f"{case},A\x1b[2J" for case in cases)]))
    text = audit(folder, classes={"le\x1b[31msion": (2, 3)}, annotated=table, groups="site").text
    assert "A\\x1b[2J" in text
    assert all(line.isprintable() for line in text.split("\n"))


def maps_of(group, name, there, absent):
    filled = [Map(f"{group}{i}", group, name, True, 9, 0.1) for i in range(there)]
    return filled + [Map(f"{group}{there + i}", group, name, True, 0, 0) for i in range(absent)]


def test_a_class_that_a_group_never_has_is_flagged_with_its_test():
    maps = maps_of("ED", "MYO", 30, 0) + maps_of("ES", "MYO", 0, 30)
    (flag,) = find_flags(maps, ["MYO"])
    assert (flag.name, flag.group, flag.size) == ("MYO", "ES", 1.0)
    assert "filled in 0 of 30 cases of ES, in 30 of 30" in flag.reason
    assert flag.p <= flag.p_holm < 1e-6


def test_a_group_that_has_it_far_more_rarely_is_flagged_and_one_that_has_it_half_as_often_is_not():
    (flag,) = find_flags(maps_of("A", "x", 40, 0) + maps_of("B", "x", 10, 30), ["x"])
    assert flag.group == "B"
    assert "far rarer" in flag.reason
    assert find_flags(maps_of("A", "x", 109, 241) + maps_of("B", "x", 111, 564), ["x"]) == []


def test_few_cases_prove_nothing():
    assert find_flags(maps_of("A", "x", 3, 0) + maps_of("B", "x", 0, 2), ["x"]) == []


def test_an_absence_where_the_neighbours_are_there_is_flagged():
    maps = maps_of("g", "LV", 60, 0) + maps_of("g", "RV", 59, 1)
    (flag,) = find_flags(maps, ["LV", "RV"])
    assert (flag.name, flag.cases) == ("RV", ("g59",))
    assert "absent where its neighbours are there" in flag.reason


def test_maps_that_are_not_annotated_are_no_absence():
    maps = maps_of("ED", "MYO", 30, 0)
    maps += [Map(f"s{i}", "ES", "MYO", False, 0, 0) for i in range(30)]
    assert find_flags(maps, ["MYO"]) == []


PLANS = {
    "configurations": {
        "2d": {"batch_dice": True, "patch_size": [256, 256], "batch_size": 12},
        "3d_fullres": {"batch_dice": False, "patch_size": [16, 320, 320], "batch_size": 2},
        "3d_cascade": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
    }
}


def test_plans_are_told_in_words(folder, tmp_path):
    (tmp_path / "plans.json").write_text(json.dumps(PLANS))
    (tmp_path / "sheet.csv").write_text("case\np1_0\np1_1\np1_2\np2_0\np9\n")
    found = audit(
        folder,
        classes={"lesion": (2, 3, 4)},
        annotated=tmp_path / "sheet.csv",
        plans=tmp_path / "plans.json",
    )
    first, second, third = found.plans
    assert "patches of 256 x 256" in first
    assert "with batch_dice true and cross-entropy, the 1 map that nobody drew" in first
    assert "the cross-entropy beside it" in second
    assert third.startswith("3d_cascade: patches of 16 x 320 x 320")


def test_an_nnunet_root_and_the_decathlons_name_their_classes(tmp_path):
    for way in (
        {"background": 0, "a": 1, "whole": [1, 2]},
        {"0": "background", "1": "a", "2": "b"},
    ):
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        write(root / "labelsTr" / "c_001.nii.gz", block(1, 7))
        (root / "dataset.json").write_text(json.dumps({"labels": way}))
        assert audit(root).classes["a"].filled == 1
    (root / "annotated.tsv").write_text("case\tannotated\nc_001\tb\n")
    assert audit(root).classes["a"].not_annotated == 1


def test_cases_of_a_test_set_are_not_training_cases_that_nobody_labelled(tmp_path):
    write(tmp_path / "labelsTr" / "c_001.nii.gz", block(1, 7))
    write(tmp_path / "imagesTs" / "c_002_0000.nii.gz", block(1, 7))
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "a": 1}}))
    (tmp_path / "annotated.tsv").write_text("case\tannotated\nc_002\tnone\n")
    found = audit(tmp_path)
    assert (found.without_map, found.classes["a"].not_annotated) == (0, 0)


def test_a_case_table_of_this_package_serves(tmp_path):
    label = write(tmp_path / "l" / "x.nii.gz", block(1, 3))
    table = tmp_path / "cases.tsv"
    table.write_text(f"case\tsubject\tgroup\tlabel\nx\tx\tED\t{label}\n")
    assert audit(table).groups["ED"]["1"].filled == 1


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("case,annotated\np1_0,tumour\n", "give names of classes"),
        ("case\nnobody\n", "has no label map"),
        ("number\n77\n", "no column case"),
        ("case\np1_0\np1_0\n", "comes twice"),
        ("case\n", "no line below its header"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line(folder, tmp_path, table, told):
    (tmp_path / "t.csv").write_text(table)
    assert told in refusal(lambda: audit(folder, annotated=tmp_path / "t.csv"))


def test_what_is_not_there_is_refused_in_one_line(tmp_path):
    assert "no such folder" in refusal(find_labels, tmp_path / "no")
    assert "no label map in it" in refusal(find_labels, tmp_path)
    assert "write name=1" in refusal(parse_classes, ["lesion"])
    assert parse_classes(["a=1", "b=2,3"]) == {"a": (1,), "b": (2, 3)}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("cases.csv", b"case,site\na,x\nb\n", "line 3 has 1 cells, the header 2"),
        ("cases.csv", b"case,site\na,x,y\n", "line 2 has 3 cells, the header 2"),
        ("cases.csv", b"case,site\na,\xff\n", "is not UTF-8 text (byte 13)"),
        ("cases.csv", b"", "is empty; it should hold a header and rows, separated by tabs"),
        ("dataset.json", b'{"labels": {"a": "one"}}', "label a is 'one'; write whole numbers"),
        ("dataset.json", b'{"labels": {"a": 1}, "file_ending": "**"}', "file_ending is '**'"),
        ("dataset.json", b'{"labels": {"a": 1, "a": 2}}', "key 'a' comes twice"),
        ("dataset.json", b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_damaged_table_or_dataset_json_is_refused_in_one_line(tmp_path, name, content, told):
    (path := tmp_path / name).write_bytes(content)
    source = tmp_path if name == "dataset.json" else path
    assert told in refusal(find_labels, source)


def test_the_command_prints_json_and_draws(folder, tmp_path, capsys):
    picture = tmp_path / "audit.png"
    words = ["audit", str(folder), "--classes", "x=2,3,4", "--json", "--figure", str(picture)]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["classes"]["x"]) >= {"filled", "empty", "not_annotated", "volumes"}
    assert found["flags"] == []
    assert picture.stat().st_size > 5000
    assert main(["audit", str(folder)]) == 0
    assert "no suspicious absence" in capsys.readouterr().out


PICAI = SHARED / "picai_labels"
ACDC = SHARED / "acdc"


@pytest.mark.skipif(not PICAI.is_dir(), reason="the PI-CAI labels are not here")
def test_the_picai_labels_are_as_their_authors_describe_them():
    found = audit(
        PICAI / "original",
        classes={"csPCa": (2, 3, 4, 5)},
        annotated=PICAI / "marksheet.csv",
        groups="center",
    ).to_dict()
    own = found["classes"]["csPCa"]
    assert (own["filled"], own["empty"], own["not_annotated"]) == (220, 805, 125)
    assert found["groups"]["PCNN"]["csPCa"]["not_annotated"] == 0
    assert found["groups"]["RUMC"]["csPCa"]["not_annotated"] == 125


@pytest.mark.slow
@pytest.mark.skipif(not ACDC.is_dir(), reason="ACDC is not here")
def test_myo_taken_out_of_es_is_flagged_and_the_full_labels_are_not(tmp_path):
    assert audit(ACDC).flags == ()
    for patient in sorted((ACDC / "training").glob("patient*")):
        own = tmp_path / "training" / patient.name
        own.mkdir(parents=True)
        (own / "Info.cfg").write_text((patient / "Info.cfg").read_text())
        for frame in (1, 2):
            name = f"{patient.name}_frame{frame:02d}_gt.nii.gz"
            image = nib.load(patient / name)
            label = np.asarray(image.dataobj).copy()
            label[label == (2 if frame == 2 else -1)] = 0
            nib.save(nib.Nifti1Image(label, image.affine, image.header), own / name)
    flags = audit(tmp_path).to_dict()["flags"]
    assert [(flag["class"], flag["group"]) for flag in flags] == [("MYO", "ES")]
    assert "filled in 0 of 100 cases of ES" in flags[0]["reason"]

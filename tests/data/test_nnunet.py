import json
import shutil

import pytest

from dicegrad.data.adapters import get_adapter
from dicegrad.data.test_set import labelled_test_cases
from dicegrad.errors import InputError
from tests.conftest import find_cases, raw_files, refusal
from tests.decathlon import write_decathlon

ABOUT = {
    "channel_names": {"0": "flair", "1": "t1"},
    "labels": {"background": 0, "core": 1, "edema": 2},
    "file_ending": ".nii.gz",
}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps(ABOUT))
    for name in ("001", "002"):
        for path in (f"imagesTr/{name}_0000", f"imagesTr/{name}_0001", f"labelsTr/{name}"):
            (tmp_path / f"{path}.nii.gz").parent.mkdir(exist_ok=True)
            (tmp_path / f"{path}.nii.gz").touch()
    return tmp_path


def write_about(root, **changes):
    about = {key: value for key, value in (ABOUT | changes).items() if value is not None}
    (root / "dataset.json").write_text(json.dumps(about))


def test_without_groups_every_case_is_its_own_subject_in_one_group(root):
    cases = find_cases("nnunet", root)
    assert [(c.case, c.subject, c.group) for c in cases] == [
        ("001", "001", "all"),
        ("002", "002", "all"),
    ]
    assert cases[0].images == tuple(root / "imagesTr" / f"001_000{i}.nii.gz" for i in (0, 1))
    assert cases[0].label == root / "labelsTr" / "001.nii.gz"


def test_channels_and_classes_come_from_dataset_json(root):
    adapter = get_adapter("nnunet", root)
    assert adapter.channels == ("flair", "t1")
    assert adapter.class_values == {"core": (1,), "edema": (2,)}


def test_regions_and_the_decathlons_spelling_are_understood(root):
    write_about(root, labels={"background": 0, "whole": [1, 2], "core": 1})
    assert get_adapter("nnunet", root).class_values == {"whole": (1, 2), "core": (1,)}
    write_about(
        root, labels={"0": "background", "2": "LV"}, channel_names=None, modality={"0": "MRI"}
    )
    adapter = get_adapter("nnunet", root)
    assert adapter.class_values == {"LV": (2,)}
    assert adapter.channels == ("MRI",)


def test_the_label_ignore_is_a_value_and_no_class(root):
    write_about(root, labels={"background": 0, "core": 1, "ignore": 2})
    adapter = get_adapter("nnunet", root)
    assert adapter.class_values == {"core": (1,)}
    assert adapter.ignore == 2
    assert adapter.raw_values == (0, 1, 2)


def test_the_decathlons_spelling_has_an_ignore_label_too(root):
    write_about(root, labels={"0": "background", "1": "LV", "2": "ignore"})
    adapter = get_adapter("nnunet", root)
    assert (adapter.class_values, adapter.ignore) == ({"LV": (1,)}, 2)


def test_groups_tsv_names_subject_and_group_and_keeps_leading_zeros(root):
    (root / "groups.tsv").write_text("case\tsubject\tgroup\n001\t07\tED\n002\t07\tES\n")
    cases = find_cases("nnunet", root)
    assert [(c.subject, c.group) for c in cases] == [("07", "ED"), ("07", "ES")]
    assert get_adapter("nnunet", root).groups == ("ED", "ES")
    assert root / "groups.tsv" in raw_files("nnunet", root)


def test_a_case_that_groups_tsv_does_not_know_and_one_it_invents_are_both_counted(root):
    (root / "groups.tsv").write_text("case\tsubject\tgroup\n001\t1\tED\n009\t9\tES\n")
    with pytest.raises(InputError, match=r"no line for case 002.*\(and 1 more problem\)"):
        find_cases("nnunet", root)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labels": {}}, "labels is {}"),
        ({"labels": {"background": 0, "tumor": "1"}}, "label tumor is '1'"),
        ({"labels": {"background": 0, "tumor": 1, "ignore": [2, 3]}}, "label ignore is [2, 3]"),
        ({"labels": {"background": 1, "tumor": 0}}, "label background is 1; 0 alone is backgr"),
        ({"labels": {"clear": 0, "tumor": 0, "box": 1}}, "labels clear and tumor are both 0"),
        ({"labels": {"background": 0, "tumor": [0, 1]}}, "label tumor is [0, 1]; 0 alone is"),
        ({"labels": {"background": 0, "tumor": [1, 1]}}, "write each number once"),
        ({"labels": {"background": 0, "tumor": 1, "ignore": 1}}, "ignore is 1, and so is tumor"),
        ({"labels": {"background": 0, "tumor": 1, "ignore": 0}}, "one whole number above 0"),
        ({"labels": {"background": 0, "tumor": 1, "Ignore": 2}}, "label Ignore would be a class"),
        ({"labels": {"background": 0}}, "labels names no class"),
        ({"labels": {"0": "background", "1": "a", "2": "a"}}, "label a is both 1 and 2"),
        ({"labels": {"0": "background", "\u00b2": "a"}}, "label a is '\u00b2'"),
        ({"labels": {"0": "background", "01": "a", "1": "b"}}, "label a is '01'"),
        ({"labels": {"background": 0, "all": 1}}, "class 'all': is a reserved word in tables"),
        ({"labels": {"background": 0, "a,b": 1}}, "class 'a,b': has ',', which separates"),
        ({"labels": {"background": 0, "a|b": 1}}, "class 'a|b': has '|' in its name"),
        ({"labels": {"background": 0, "LV": 1, "lv": 2}}, "class 'lv': differs from 'LV'"),
        ({"channel_names": {"0": None, "1": "t1"}}, "channel_names has None; write a name"),
        ({"channel_names": {"0": "a\tb", "1": "t1"}}, "channel 'a\\tb': has the invisible"),
        ({"channel_names": {"0": "t1", "2": "t2"}}, "channel_names is"),
        ({"channel_names": {"0": "t1", "1": "t1"}}, "each its own name"),
    ],
)
def test_a_dataset_json_that_cannot_be_used_is_named(root, changes, says):
    write_about(root, **changes)
    with pytest.raises(InputError) as error:
        get_adapter("nnunet", root)
    assert str(root / "dataset.json") in str(error.value)
    assert says in str(error.value)


def test_broken_json_and_no_json_are_named(root):
    (root / "dataset.json").write_text("{")
    with pytest.raises(InputError, match=r"dataset.json: not valid JSON"):
        get_adapter("nnunet", root)
    (root / "dataset.json").unlink()
    with pytest.raises(InputError, match=r"dataset.json: missing"):
        get_adapter("nnunet", root)


def test_a_label_without_image_is_a_case_so_that_the_checks_can_name_it(root):
    (root / "labelsTr" / "003.nii.gz").touch()
    assert [case.case for case in find_cases("nnunet", root)] == ["001", "002", "003"]


@pytest.mark.parametrize("ending", ["nii.gz", "**", "../x", ".", 7, None])
def test_a_file_ending_that_is_none_is_named(tmp_path, ending):
    about = {"channel_names": {"0": "T1"}, "labels": {"background": 0, "x": 1}}
    (tmp_path / "dataset.json").write_text(json.dumps({**about, "file_ending": ending}))
    with pytest.raises(InputError, match=r"dataset.json: file_ending is .*write it with its point"):
        get_adapter("nnunet", tmp_path)


def test_a_single_channel_may_come_without_its_number_as_the_decathlon_writes_it(root):
    write_about(root, channel_names={"0": "MRI"})
    for path in (root / "imagesTr").iterdir():
        if path.name.endswith("_0000.nii.gz"):
            path.rename(path.with_name(path.name.replace("_0000", "")))
        else:
            path.unlink()
    read = {path.name for path in raw_files("nnunet", root) if path.parent.name == "imagesTr"}
    assert read == {"001.nii.gz", "002.nii.gz"}


def test_one_file_without_a_number_holds_all_channels(root):
    for number in (0, 1):
        (root / "imagesTr" / f"001_000{number}.nii.gz").unlink()
    whole = root / "imagesTr" / "001.nii.gz"
    whole.touch()
    (root / "imagesTr" / "._001.nii.gz").touch()  # as macOS leaves them
    (root / "labelsTr" / "._001.nii.gz").touch()
    assert next(case.images for case in find_cases("nnunet", root)) == (whole, whole)
    assert raw_files("nnunet", root).count(whole) == 1


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_numbered_file_beside_one_that_holds_all_channels_is_told(root, number):
    for each in (0, 1):
        (root / "imagesTr" / f"001_000{each}.nii.gz").unlink()
    (whole := root / "imagesTr" / "001.nii.gz").touch()
    (root / "imagesTr" / f"001_000{number}.nii.gz").touch()
    problems = get_adapter("nnunet", root).scan(root).problems
    assert problems[0] == (
        f"{whole}: is the image of case 001, and so is 001_000{number}.nii.gz; remove one of them"
    )


def test_a_case_whose_name_ends_like_a_channel_number_is_found_by_its_label(root):
    write_about(root, channel_names={"0": "MRI"})
    for path in (root / "imagesTr").iterdir():
        path.unlink()
    for name in ("001", "002"):
        (root / "labelsTr" / f"{name}.nii.gz").rename(root / "labelsTr" / f"la_0{name}.nii.gz")
        (root / "imagesTr" / f"la_0{name}.nii.gz").touch()
    assert [case.case for case in find_cases("nnunet", root)] == ["la_0001", "la_0002"]


def test_dataset_json_may_name_the_files_of_each_case(root):
    entry = {"images": ["../scans/a.nii.gz", "../scans/b.nii.gz"], "label": "labelsTr/001.nii.gz"}
    write_about(root, dataset={"first": entry})
    (case,) = find_cases("nnunet", root)
    assert case.case == "first"
    assert case.images == tuple(root / path for path in entry["images"])
    write_about(root, dataset={"first": {"images": "a.nii.gz"}})
    with pytest.raises(InputError, match=r"dataset, case 'first', is .*write it as"):
        find_cases("nnunet", root)


def test_two_images_of_a_case_and_a_channel_nobody_names_are_refused(root):
    (root / "imagesTr" / "001.nii.gz").touch()
    with pytest.raises(InputError, match=r"001.nii.gz: .* and so is 001_0000.nii.gz; remove one"):
        find_cases("nnunet", root)
    (root / "imagesTr" / "001.nii.gz").unlink()
    (root / "imagesTr" / "002_0002.nii.gz").touch()
    with pytest.raises(InputError, match=r"002_0002.nii.gz: is channel 2, but .* names 2"):
        find_cases("nnunet", root)


def test_a_key_twice_and_a_deep_dataset_json_are_refused(root):
    path = root / "dataset.json"
    text = json.dumps(ABOUT)
    path.write_text(text.replace('"labels": {', '"labels": {"background": 0, ', 1))
    assert (
        refusal(get_adapter, "nnunet", root) == f"{path}: key 'background' comes twice; remove one"
    )
    path.write_text('{"labels": ' + "[" * 100_000)
    assert "nested too deeply" in refusal(get_adapter, "nnunet", root)


def test_a_test_set_is_found_by_itself_with_the_groups_that_the_table_names(tmp_path):
    root = write_decathlon(tmp_path / "balls", 3, groups=("A", "B"))
    for kind in ("images", "labels"):
        (root / f"{kind}Ts").mkdir()
        for name in ("new", "other")[: 1 + (kind == "images")]:
            shutil.copy(
                root / f"{kind}Tr" / "scan_000.nii.gz", root / f"{kind}Ts" / f"{name}.nii.gz"
            )
    adapter = get_adapter("nnunet", root)
    assert adapter.test(root).problems == tuple(
        f"{root / 'groups.tsv'}: no line for test case {name}; add one" for name in ("new", "other")
    )
    with (root / "groups.tsv").open("a") as table:
        table.write("new\tp9\tB\nother\tother\tA\n")
    adapter = get_adapter("nnunet", root)
    assert [case.case for case in adapter.scan(root).cases] == ["scan_000", "scan_001", "scan_002"]
    assert adapter.scan(root).problems == ()
    new, other = adapter.test(root).cases
    assert (new.case, new.subject, new.group) == ("new", "p9", "B")
    assert labelled_test_cases(root, adapter) == [new]
    assert not other.label.is_file()


@pytest.mark.parametrize("name", ["003.nii", "003.NII.GZ", "003_0000.nrrd"])
def test_a_volume_of_another_ending_is_told_and_not_passed_over(root, name):
    (root / "imagesTr" / name).touch()
    (root / "labelsTr" / ".003.nii").touch()  # what an editor leaves
    problems = get_adapter("nnunet", root).scan(root).problems
    assert problems == (
        f"{root / 'imagesTr' / name}: is not read, since dataset.json says that files end in "
        ".nii.gz; write it so, or move it elsewhere",
    )


def test_volumes_in_folders_within_are_told_and_not_passed_over(root):
    inner = root / "imagesTr" / "site-b" / "more"
    inner.mkdir(parents=True)
    (root / "labelsTr" / "notes").mkdir()
    (root / "labelsTr" / "notes" / "readme.txt").touch()
    for name in ("003_0000.nii.gz", "003_0001.nii.gz", "._003_0001.nii.gz", "list.txt"):
        (inner / name).touch()
    assert get_adapter("nnunet", root).scan(root).problems == (
        f"{root / 'imagesTr' / 'site-b'}: holds 2 volumes that are not read, such as "
        f"more/003_0000.nii.gz; move them to {root / 'imagesTr'}, or elsewhere",
    )

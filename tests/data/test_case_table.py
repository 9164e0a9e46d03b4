"""A plain table of the files of each case."""

import json

import numpy as np
import pytest

from dicegrad.data.adapters import get_adapter
from dicegrad.data.annotated import marked_by_table
from dicegrad.data.volumes import Header, write_volume
from dicegrad.errors import InputError
from tests.conftest import find_cases, raw_files

LABELS = {"labels": {"background": 0, "core": 1, "edema": [2, 3]}}


@pytest.fixture
def root(tmp_path):
    """A folder with a table of two cases, whose files lie elsewhere."""
    voxels = np.arange(8, dtype=np.uint8).reshape(2, 2, 2) % 4
    for name in ("a", "b", "seg"):
        write_volume(
            tmp_path / "scans" / f"{name}.nii.gz", voxels, Header.of_affine((2, 2, 2), np.eye(4))
        )
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dataset.json").write_text(json.dumps(LABELS))
    return tmp_path / "mine"


def write(root, *lines):
    (root / "cases.tsv").write_text("".join("\t".join(line.split()) + "\n" for line in lines))


def test_three_columns_are_enough(root):
    write(root, "case image label", "001 ../scans/a.nii.gz ../scans/seg.nii.gz")
    (case,) = find_cases("auto", root)
    assert (case.case, case.subject, case.group, case.annotated) == ("001", "001", "all", None)
    assert case.images == (root / "../scans/a.nii.gz",)
    adapter = get_adapter("auto", root)
    assert (adapter.name, adapter.channels) == ("table", ("image",))
    assert adapter.class_values == {"core": (1,), "edema": (2, 3)}
    assert root / "cases.tsv" in raw_files("table", root)


def test_channels_subjects_groups_and_what_was_annotated_have_columns(root):
    a, b, seg = (f"../scans/{name}.nii.gz" for name in ("a", "b", "seg"))
    write(
        root,
        "case subject group image_t1 image_t2 label annotated",
        f"x 7 siteB {a} {b} {seg} core",
        f"y 7 siteA {b} {a} {root.parent}/scans/seg.nii.gz all",
        f"z 8 siteA {b} {a} {seg} none",
    )
    adapter = get_adapter("table", root)
    assert (adapter.channels, adapter.groups) == (("t1", "t2"), ("siteA", "siteB"))
    cases = find_cases("table", root)
    assert [case.subject for case in cases] == ["7", "7", "8"]
    assert [case.annotated for case in cases] == [("core",), None, ()]
    assert cases[1].images == (root / b, root / a)
    assert cases[1].label == root.parent / "scans" / "seg.nii.gz"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["case image label"], "no case in it"),
        (["case label", "x s"], "has no image; write one column image"),
        (["case image image_t1 label", "x a a s"], "has image and image_t1; write one"),
        (["case image label annotate", "x a s all"], "'annotate'; .*did you mean 'annotated'"),
        (["case image label annotated", "x a s cor"], "annotated is 'cor'; .*did you mean 'core'"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(root, lines, says):
    write(root, *lines)
    with pytest.raises(InputError, match=f"^{root / 'cases.tsv'}.*{says}"):
        find_cases("table", root)


def test_an_empty_cell_is_named(root):
    (root / "cases.tsv").write_text("case\timage\tlabel\nx\t\ts.nii.gz\n")
    with pytest.raises(InputError, match="case 'x' has no image; fill it"):
        find_cases("table", root)


def test_label_values_without_names_are_listed_as_they_should_be_written(root):
    (root / "dataset.json").unlink()
    write(root, "case image label", "001 ../scans/a.nii.gz ../scans/seg.nii.gz")
    with pytest.raises(InputError, match=r'has 0, 1, 2, 3: write {"labels": .*"name of 1": 1'):
        get_adapter("table", root)


def test_a_second_table_of_what_was_annotated_says_what_becomes_of_the_cases_it_does_not_list(root):
    files = "../scans/a.nii.gz ../scans/seg.nii.gz"
    write(root, "case image label annotated", f"x {files} core", f"y {files} core")
    (root / "annotated.tsv").write_text("case\tannotated\nx\tall\n")
    cases = find_cases("table", root)
    marked, line = marked_by_table(cases, root, None, get_adapter("table", root))
    assert [case.annotated for case in marked] == [None, ("core",)]
    assert line.endswith("1 cases are not listed and keep what cases.tsv says")

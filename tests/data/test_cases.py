from pathlib import Path

import pytest

from dicegrad.data.cases import (
    Case,
    get_adapter,
    read_cases,
    read_channels,
    repeated,
    summary,
    write_cases,
)
from dicegrad.errors import InputError

CASES = [
    Case("001", "07", "HGG", (Path("a b/1.nii.gz"), Path("x/2.nii.gz")), Path("y/seg.nii.gz")),
    Case("NA", "1e5", "LGG", (Path("b/1.nii.gz"), Path("b/2.nii.gz")), Path("b/seg.nii.gz")),
]


def test_a_case_table_comes_back_as_it_was_zeros_and_all(tmp_path):
    table = tmp_path / "resources" / "cases.tsv"
    write_cases(table, CASES, ("flair", "t1"))
    assert read_cases(table) == CASES
    assert read_channels(table) == ["flair", "t1"]


def test_the_columns_are_case_subject_group_label_then_the_channels(tmp_path):
    write_cases(tmp_path / "cases.tsv", CASES, ("flair", "t1"))
    lines = (tmp_path / "cases.tsv").read_text().splitlines()
    assert lines[0].split("\t") == [
        "case",
        "subject",
        "group",
        "label",
        "image_flair",
        "image_t1",
    ]
    assert lines[1].split("\t") == [
        "001",
        "07",
        "HGG",
        "y/seg.nii.gz",
        "a b/1.nii.gz",
        "x/2.nii.gz",
    ]


def test_images_and_channels_must_agree_in_number(tmp_path):
    with pytest.raises(InputError, match="case 001: 2 images for the 1 channels"):
        write_cases(tmp_path / "cases.tsv", CASES, ("flair",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("case\tsubject\tlabel\timage_t1\n", "no column group"),
        ("case\tsubject\tgroup\tlabel\n", "no column image_<channel>"),
        ("case\tsubject\tgroup\tlabel\timage_t1\n1\t1\tHGG\t\tx\n", "line 2 has no label"),
        ("case\tsubject\tgroup\tlabel\timage_t1\n1\t1\tHGG\n", "line 2 has no label"),
        ("case\tsubject\tgroup\tlabel\timage_t1\n1\t1\tA\tl\tx\n1\t2\tA\tl\tx\n", "1 comes twice"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path, text, says):
    (tmp_path / "cases.tsv").write_text(text)
    with pytest.raises(InputError) as error:
        read_cases(tmp_path / "cases.tsv")
    assert says in str(error.value)
    assert "cases.tsv" in str(error.value)


def test_an_unknown_adapter_is_named_with_the_known_ones():
    with pytest.raises(InputError, match="'bratz' is not known; use one of acdc, brats, nnunet"):
        get_adapter("bratz")


def test_many_problems_are_one_line_that_says_where_the_rest_is():
    assert summary(["a"]) == "a"
    assert summary(["a", "b"]) == "a (and 1 more problem)"
    assert summary(["a", "b", "c"], Path("x.log")) == "a (and 2 more problems; see x.log)"


def test_repeated_names_each_once():
    assert repeated(["b", "a", "b", "b", "a", "c"]) == ["a", "b"]

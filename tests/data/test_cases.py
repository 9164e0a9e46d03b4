from dataclasses import replace
from pathlib import Path

import pytest

from dicegrad.data.adapter import Case
from dicegrad.data.cases import check_originals, read_cases, repeated, summary, write_cases
from dicegrad.errors import InputError

CASES = [
    Case("001", "07", "HGG", (Path("a b/1.nii.gz"), Path("x/2.nii.gz")), Path("y/seg.nii.gz")),
    Case("NA", "1e5", "LGG", (Path("b/1.nii.gz"), Path("b/2.nii.gz")), Path("b/seg.nii.gz")),
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory that holds the files of `CASES`."""
    monkeypatch.chdir(tmp_path)
    for case in CASES:
        for path in (*case.images, case.label):
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"voxels of {path}")
    return tmp_path


def test_a_case_table_comes_back_as_it_was_zeros_and_all(here):
    table = here / "resources" / "cases.tsv"
    write_cases(table, CASES, ("flair", "t1"))
    assert read_cases(table) == CASES


def test_the_columns_are_case_subject_group_label_channels_and_fingerprint(here):
    write_cases(here / "cases.tsv", CASES, ("flair", "t1"))
    header, first, _ = (here / "cases.tsv").read_text().splitlines()
    columns = ["case", "subject", "group", "label", "image_flair", "image_t1"]
    columns += ["annotated", "fingerprint"]
    assert header.split("\t") == columns
    row = ["001", "07", "HGG", "y/seg.nii.gz", "a b/1.nii.gz", "x/2.nii.gz"]
    assert first.split("\t")[:-1] == [*row, "all"]


@pytest.mark.parametrize("name", ["y/seg.nii.gz", "x/2.nii.gz"])
def test_the_table_changes_when_a_file_does_and_not_when_it_is_touched(here, name):
    def table():
        write_cases(here / "cases.tsv", CASES, ("flair", "t1"))
        return (here / "cases.tsv").read_text().splitlines()

    before = table()
    Path(name).touch()
    assert table() == before
    Path(name).write_text("other voxels")
    after = table()
    assert after[1] != before[1]
    assert after[2] == before[2]


def test_images_and_channels_must_agree_in_number(tmp_path):
    with pytest.raises(InputError, match="case 001: 2 images for the 1 channels"):
        write_cases(tmp_path / "cases.tsv", CASES, ("flair",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("case\tsubject\tlabel\timage_t1\n", "column group is missing"),
        ("case\tsubject\tgroup\tlabel\n1\t1\tHGG\tx\n", "no column image_<channel>"),
        ("case\tsubject\tgroup\tlabel\timage_t1\n1\t1\tHGG\t\tx\n", "case '1' has no label"),
        ("case\tsubject\tgroup\tlabel\timage_t1\n1\t1\tHGG\n", "line 2 has 3 cells, the header 5"),
        ("case\tsubject\tgroup\tlabel\timage_t1\n1\t1\tA\tl\tx\n1\t2\tA\tl\tx\n", "1 comes twice"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path, text, says):
    (tmp_path / "cases.tsv").write_text(text)
    with pytest.raises(InputError) as error:
        read_cases(tmp_path / "cases.tsv")
    assert says in str(error.value)
    assert "cases.tsv" in str(error.value)


def test_many_problems_are_one_line_that_says_where_the_rest_is():
    assert summary(["a"]) == "a"
    assert summary(["a", "b"]) == "a (and 1 more problem)"
    assert summary(["a", "b", "c"], Path("x.log")) == "a (and 2 more problems; see x.log)"


def test_repeated_names_each_once():
    assert repeated(["b", "a", "b", "b", "a", "c"]) == ["a", "b"]


def test_an_original_that_has_changed_since_the_table_was_made_is_refused_by_name(here):
    table = here / "resources" / "cases.tsv"
    write_cases(table, CASES, ("flair", "t1"))
    first, second = read_cases(table)
    check_originals(first)
    changed = first.images[1]
    changed.write_bytes(changed.read_bytes() + b"!")
    check_originals(first, [first.label])  # what is not read is not looked at
    check_originals(second)
    with pytest.raises(InputError) as error:
        check_originals(first)
    assert str(error.value).startswith(f"{changed}: has changed since the case table was made; ")
    assert f"delete {table} to start" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("fingerprint", ["", "0123456789abcdef"])
def test_a_table_of_an_earlier_version_tells_nothing_of_single_files(here, fingerprint):
    check_originals(replace(CASES[0], fingerprint=fingerprint))

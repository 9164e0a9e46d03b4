"""A table that its user put beside the data is read, or told; never passed over."""

import pytest

from dicegrad.data.adapters import detect, get_adapter
from dicegrad.data.annotated import find_table
from dicegrad.data.beside import find_beside
from tests.conftest import refusal
from tests.decathlon import write_decathlon


def test_a_table_is_found_by_its_name_and_may_be_absent(tmp_path):
    assert find_beside(tmp_path / "nowhere", "annotated.tsv") is None
    (tmp_path / "annotated.md").touch()
    assert find_beside(tmp_path, "annotated.tsv") is None
    (tmp_path / "annotated.tsv").touch()
    (tmp_path / "annotated.csv").touch()  # what it was made of
    assert find_beside(tmp_path, "annotated.tsv") == tmp_path / "annotated.tsv"


@pytest.mark.parametrize("name", ["annotated.csv", "Annotated.TSV", "annotated.tsv.txt"])
def test_a_table_of_another_ending_is_told(tmp_path, name):
    (tmp_path / name).touch()
    assert "would not be read; call it annotated.tsv" in refusal(find_table, tmp_path)


def read_all(root):
    get_adapter(detect(root), root)
    find_table(root)


@pytest.mark.parametrize("name", ["groups.tsv", "annotated.tsv", "dataset.json", "cases.tsv"])
def test_a_link_that_leads_nowhere_is_no_missing_table(tmp_path, name):
    root = write_decathlon(tmp_path / "data", count=2)
    (root / name).unlink(missing_ok=True)
    (root / name).symlink_to("nowhere")
    assert name in refusal(read_all, root)


def test_a_folder_in_the_place_of_a_table_is_told(tmp_path):
    (tmp_path / "annotated.tsv").mkdir()
    assert "is no regular file; put the table there" in refusal(find_table, tmp_path)

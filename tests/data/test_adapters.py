"""The table of adapters, and what a dataset file asks of one."""

import pytest

from dicegrad.data.acdc import ACDC
from dicegrad.data.adapters import ADAPTERS, adapter_of, get_adapter
from dicegrad.data.brats import BRATS
from dicegrad.data.phantoms import write_phantom
from dicegrad.errors import InputError
from dicegrad.files import Columns, read_rows, write_table
from tests.study.conftest import read_one


def test_an_unknown_adapter_is_named_with_the_known_ones(tmp_path):
    with pytest.raises(
        InputError, match=r"^adapter is 'bratz'; allowed: auto, table, nnunet, acdc, brats; did you"
    ):
        get_adapter("bratz", tmp_path)


def test_acdc_and_brats_are_laid_out_alike_wherever_they_lie(tmp_path):
    assert get_adapter("acdc", tmp_path) is ACDC
    assert get_adapter("brats", tmp_path / "nowhere") is BRATS


def test_every_adapter_goes_by_the_word_of_the_table(tmp_path):
    write_phantom("mixed", tmp_path, 3, 0)
    row = read_rows(tmp_path / "groups.tsv", Columns(rest="text"))[0]
    image, label = f"imagesTr/{row['case']}_0000.nii.gz", f"labelsTr/{row['case']}.nii.gz"
    write_table([{"case": "a", "image": image, "label": label}], tmp_path / "cases.tsv")
    assert {word: get_adapter(word, tmp_path).name for word in ADAPTERS} == {
        word: word for word in ADAPTERS
    }


def test_the_adapter_of_a_phantom_is_known_before_it_is_written(tmp_path):
    root = tmp_path / "mixed"
    foretold = adapter_of(read_one("mixed", root=str(root)))
    write_phantom("mixed", root, read_one("mixed").block("phantom", "subjects"), 0)
    written = get_adapter("nnunet", root)
    for name in ("channels", "groups", "class_values", "ignore"):
        assert getattr(foretold, name) == getattr(written, name)
    assert len(foretold.scan(root).cases) == len(written.scan(root).cases)

"""Arrays are read as they are expected to be, or one line says what they are instead."""

import numpy as np
import pytest

from dicegrad.arrays import new_array, open_array
from dicegrad.errors import InputError
from tests.conftest import refusal

SHAPE = (2, None, None)


@pytest.fixture
def path(tmp_path):
    with new_array(tmp_path / "labels.npy", (2, 3, 4), np.uint8) as array:
        array[:] = np.arange(24).reshape(2, 3, 4)
    return tmp_path / "labels.npy"


def refused(path, dtype=np.uint8, shape=SHAPE):
    with pytest.raises(InputError) as error:
        open_array(path, dtype, shape)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message


def test_an_array_comes_back_memory_mapped(path):
    array = open_array(path, np.uint8, SHAPE)
    assert isinstance(array, np.memmap)
    assert array.tolist() == np.arange(24).reshape(2, 3, 4).tolist()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_a_copy_may_be_changed_and_the_file_stays(path):
    array = open_array(path, np.uint8, SHAPE, mode="c")
    array[:] = 9
    assert open_array(path, np.uint8, SHAPE).max() == 23


@pytest.mark.parametrize("left", [0, 5, 60, 128, 151])
def test_a_cut_array_is_refused_wherever_it_ends(path, left):
    path.write_bytes(path.read_bytes()[:left])
    assert "is no array of numbers, or is cut" in refused(path)


def test_an_array_of_objects_is_refused_and_nothing_in_it_is_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    np.save(tmp_path / "o.npy", np.array([Harmful()], dtype=object), allow_pickle=True)
    assert "delete it to make it again" in refused(tmp_path / "o.npy")
    assert not (tmp_path / "ran").exists()


def test_a_header_that_claims_terabytes_costs_nothing(tmp_path):
    with (tmp_path / "bomb.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (2, 10**6, 10**7)}
        np.lib.format.write_array_header_1_0(file, header)
    assert "is cut" in refused(tmp_path / "bomb.npy")


def test_an_archive_in_place_of_an_array_is_refused(path):
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))
    assert "is an archive, not an array" in refused(path)


def test_another_type_or_shape_is_named_beside_what_is_expected(path):
    assert "holds uint8 of shape (2, 3, 4), but float16 of shape (2, any, any)" in refused(
        path, np.float16
    )
    assert "but uint8 of shape (5, any, any) is expected" in refused(path, shape=(5, None, None))
    assert "is expected" in refused(path, shape=(2, None))


def test_an_array_that_is_missing_says_how_to_make_it(tmp_path):
    assert "prepare the dataset with the workflow" in refused(tmp_path / "none.npy")


def test_an_array_whose_filling_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), new_array(tmp_path / "a.npy", (4,), np.uint8):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_header_that_is_no_python_is_refused(path):
    path.write_bytes(path.read_bytes().replace(b"{'descr'", b"{'de(((("))
    assert "is no array of numbers, or is cut" in refusal(open_array, path, np.uint8, (None, None))

import numpy as np
import pytest

from dicegrad.errors import InputError
from dicegrad.preprocessing.labeling import apply_labeling, emptied
from dicegrad.preprocessing.settings import Missing

CLASSES = ("LV", "MYO", "RV")
GROUPS = ("ED", "ES", "ED")
MISSING = Missing("ES", ("MYO",))


@pytest.fixture
def labels():
    return np.random.default_rng(0).integers(0, 4, (3, 4, 5, 6)).astype(np.uint8)


def test_full_is_the_identity(labels):
    np.testing.assert_array_equal(apply_labeling(labels, GROUPS, "full", CLASSES, None), labels)


def test_partial_empties_the_named_classes_of_the_named_group_alone(labels):
    before = labels.copy()
    result = apply_labeling(labels, GROUPS, "partial", CLASSES, MISSING)
    np.testing.assert_array_equal(result[[0, 2]], labels[[0, 2]])
    np.testing.assert_array_equal(result[1], np.where(labels[1] == 2, 0, labels[1]))
    np.testing.assert_array_equal(labels, before)
    assert result.dtype == np.uint8


def test_emptied_names_cases_and_classes():
    assert np.argwhere(emptied(GROUPS, "partial", CLASSES, MISSING)).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("labeling", "missing", "message"),
    [
        ("half", MISSING, "labeling is 'half'"),
        ("partial", None, "needs the dataset's `missing"),
        ("partial", Missing("EX", ("MYO",)), "no case is of group 'EX'; the groups are ED, ES"),
        ("partial", Missing("ES", ("LA",)), "unknown class 'LA'; the classes are LV, MYO, RV"),
    ],
)
def test_unknown_names_are_told(labels, labeling, missing, message):
    with pytest.raises(InputError, match=message):
        apply_labeling(labels, GROUPS, labeling, CLASSES, missing)

from itertools import pairwise

import numpy as np
import pytest

from dicegrad.errors import InputError
from dicegrad.preprocessing.labeling import apply_labeling, emptied, missing_share
from dicegrad.preprocessing.settings import Missing

CLASSES = ("LV", "MYO", "RV")
GROUPS = ("ED", "ES", "ED")
SUBJECTS = ("a", "a", "b")
MISSING = Missing("ES", ("MYO",))


@pytest.fixture
def labels():
    return np.random.default_rng(0).integers(0, 4, (3, 4, 5, 6)).astype(np.uint8)


def test_full_is_the_identity(labels):
    full = apply_labeling(labels, GROUPS, SUBJECTS, "full", CLASSES, None)
    np.testing.assert_array_equal(full, labels)


def test_partial_empties_the_named_classes_of_the_named_group_alone(labels):
    before = labels.copy()
    result = apply_labeling(labels, GROUPS, SUBJECTS, "partial", CLASSES, MISSING)
    np.testing.assert_array_equal(result[[0, 2]], labels[[0, 2]])
    np.testing.assert_array_equal(result[1], np.where(labels[1] == 2, 0, labels[1]))
    np.testing.assert_array_equal(labels, before)
    assert result.dtype == np.uint8


def test_emptied_names_cases_and_classes():
    gone = emptied(GROUPS, SUBJECTS, "partial", CLASSES, MISSING)
    assert np.argwhere(gone).tolist() == [[1, 1]]


SHARES = [f"partial-{percent}" for percent in (5, 25, 50, 75, 99)] + ["partial"]


@pytest.fixture
def hearts():
    """Groups and subjects of 20 hearts in ED and ES."""
    return ["ED", "ES"] * 20, [f"patient{i // 2:03d}" for i in range(40)]


def test_a_share_empties_so_many_subjects_and_a_larger_one_those_and_more(hearts):
    maps = [emptied(*hearts, labeling, CLASSES, MISSING) for labeling in SHARES]
    assert [gone.sum() for gone in maps] == [1, 5, 10, 15, 20, 20]
    for smaller, larger in pairwise(maps):
        assert (larger | ~smaller).all()
    assert not maps[2][::2].any()  # ED keeps its labels
    assert not maps[2][:, [0, 2]].any()


def test_a_share_is_the_same_subjects_in_any_order_and_not_the_first_ones(hearts):
    groups, subjects = hearts
    gone = emptied(groups, subjects, "partial-50", CLASSES, MISSING).any(axis=1)
    turned = emptied(groups[::-1], subjects[::-1], "partial-50", CLASSES, MISSING).any(axis=1)
    np.testing.assert_array_equal(gone, turned[::-1])
    assert gone[:20].sum() != 10


def test_all_cases_of_a_subject_lose_their_labels_together():
    groups, subjects = ["LGG"] * 12, [f"s{i // 3}" for i in range(12)]
    gone = emptied(groups, subjects, "partial-50", CLASSES, Missing("LGG", ("MYO",)))[:, 1]
    assert gone.reshape(4, 3).all(axis=1).sum() == 2
    assert gone.sum() == 6


@pytest.mark.parametrize("labeling", ["partial-0", "partial-100", "partial-5.5", "partial50", ""])
def test_a_share_is_a_whole_percentage_below_a_hundred(labeling):
    with pytest.raises(InputError, match=f"labeling is '{labeling}'; choose full, partial, or a"):
        missing_share(labeling)


def test_a_share_of_nobody_is_refused(hearts):
    with pytest.raises(InputError, match="labeling partial-2: that share of the 20 subjects"):
        emptied(*hearts, "partial-2", CLASSES, MISSING)


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
        apply_labeling(labels, GROUPS, SUBJECTS, labeling, CLASSES, missing)

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dicegrad.data.adapter import Case
from dicegrad.errors import InputError
from dicegrad.preprocessing.labeling import (
    IGNORE,
    annotated_maps,
    apply_labeling,
    read_annotated,
    slice_steps,
    voxel_volumes,
    write_annotated,
)
from dicegrad.study.labeling import Labeling, Removal, find_labeling, make_labelings
from tests.conftest import refusal

CLASSES = ("LV", "MYO", "RV")
KNOWN = make_labelings(Removal("ES", ("MYO",)), {})
FULL, PARTIAL = KNOWN["full"], KNOWN["partial"]


def case(name, subject, group, annotated=None):
    return Case(name, subject, group, (Path("i.nii"),), Path("l.nii"), annotated)


CASES = [case("a_ED", "a", "ED"), case("a_ES", "a", "ES"), case("b_ED", "b", "ED")]


@pytest.fixture
def labels():
    return np.random.default_rng(0).integers(0, 4, (3, 4, 5, 6)).astype(np.uint8)


def voxels_of(labels):
    return np.stack([(labels == k).sum(axis=(1, 2, 3)) for k in (1, 2, 3)], axis=1)


def maps(cases, labeling, voxels=None, voxel_mm3=None):
    voxels = np.ones((len(cases), 3), int) if voxels is None else voxels
    voxel_mm3 = np.ones(len(cases)) if voxel_mm3 is None else voxel_mm3
    return annotated_maps(cases, CLASSES, labeling, voxels, voxel_mm3)


def relabel(labels, labeling, cases=CASES):
    annotated = maps(cases, labeling, voxels_of(labels))
    return apply_labeling(labels, annotated, slice_steps(cases, labeling))


def test_full_is_the_identity(labels):
    np.testing.assert_array_equal(relabel(labels, FULL), labels)
    assert maps(CASES, FULL).all()


def test_partial_empties_the_named_classes_of_the_named_group_alone(labels):
    before = labels.copy()
    result = relabel(labels, PARTIAL)
    np.testing.assert_array_equal(result[[0, 2]], labels[[0, 2]])
    np.testing.assert_array_equal(result[1], np.where(labels[1] == 2, 0, labels[1]))
    np.testing.assert_array_equal(labels, before)
    assert result.dtype == np.uint8


def test_the_maps_that_partial_takes_away_are_not_annotated():
    assert np.argwhere(~maps(CASES, PARTIAL)).tolist() == [[1, 1]]


def test_what_the_data_do_not_annotate_no_labeling_brings_back(labels):
    cases = [replace(CASES[0], annotated=("LV",)), CASES[1], replace(CASES[2], annotated=())]
    expected = [[True, False, False], [True, True, True], [False, False, False]]
    assert maps(cases, KNOWN["as-annotated"]).tolist() == expected
    assert maps(cases, FULL).tolist() == expected
    expected[1][1] = False
    assert maps(cases, PARTIAL).tolist() == expected
    assert set(np.unique(relabel(labels, FULL, cases)[0])) == {0, 1}
    assert not relabel(labels, FULL, cases)[2].any()


def test_ignored_voxels_stay_ignored(labels):
    labels[1, 0] = IGNORE
    result = relabel(labels, PARTIAL)
    assert (result[1, 0] == IGNORE).all()
    assert not (result[1, 1:] == IGNORE).any()


SHARES = [f"partial-{percent}" for percent in (5, 25, 50, 75, 99)] + ["partial"]


@pytest.fixture
def hearts():
    """Cases of 20 hearts in ED and ES."""
    return [
        case(f"patient{i:03d}_{group}", f"patient{i:03d}", group)
        for i in range(20)
        for group in ("ED", "ES")
    ]


def emptied(cases, name):
    return ~maps(cases, find_labeling(name, KNOWN))


def test_a_share_empties_so_many_subjects_and_a_larger_one_those_and_more(hearts):
    found = [emptied(hearts, labeling) for labeling in SHARES]
    assert [gone.sum() for gone in found] == [1, 5, 10, 15, 20, 20]
    for smaller, larger in pairwise(found):
        assert (larger | ~smaller).all()
    assert not found[2][::2].any()  # ED keeps its labels
    assert not found[2][:, [0, 2]].any()


def test_a_share_is_the_same_subjects_in_any_order_and_not_the_first_ones(hearts):
    gone = emptied(hearts, "partial-50").any(axis=1)
    turned = emptied(hearts[::-1], "partial-50").any(axis=1)
    np.testing.assert_array_equal(gone, turned[::-1])
    assert gone[:20].sum() != 10


def test_all_cases_of_a_subject_lose_their_labels_together():
    cases = [case(f"c{i}", f"s{i // 3}", "ES") for i in range(12)]
    gone = emptied(cases, "partial-50")[:, 1]
    assert gone.reshape(4, 3).all(axis=1).sum() == 2
    assert gone.sum() == 6


def test_two_halves_of_a_random_order_are_all_subjects_and_share_none(hearts):
    first, second = (
        ~maps(hearts, Labeling("half", (Removal("ES", ("MYO",), share),)))[:, 1]
        for share in ((0.0, 0.5), (0.5, 1.0))
    )
    assert (first ^ second).tolist() == [False, True] * 20


def test_another_seed_draws_other_subjects(hearts):
    one, other = (
        maps(hearts, Labeling("x", (Removal("ES", (), (0, 0.5), seed=seed),))) for seed in (0, 1)
    )
    assert one.sum() == other.sum()
    assert (one != other).any()


def test_the_smallest_structures_are_those_of_least_volume(hearts):
    voxels = np.tile(np.arange(40, 0, -1)[:, None], (1, 3))
    voxels[:2] = 0  # a structure that is not there is none of the smallest
    labeling = Labeling("small", (Removal(classes=("RV",), smallest=0.25),))
    gone = ~maps(hearts, labeling, voxels)
    assert np.flatnonzero(gone[:, 2]).tolist() == list(range(30, 40))
    assert not gone[:, :2].any()


def test_a_structure_of_more_voxels_is_the_smaller_one_where_slices_are_thinner():
    labeling = Labeling("small", (Removal(classes=("RV",), smallest=0.5),))
    voxels = np.array([[64] * 3, [96] * 3])  # 0.64 ml and 0.48 ml
    thick, thin = (1.0, 1.0, 10.0), (1.0, 1.0, 5.0)
    gone = ~maps(CASES[1:], labeling, voxels, voxel_volumes([thick, thin]))
    assert gone.tolist() == [[False] * 3, [False, False, True]]


def test_equal_structures_go_in_the_order_of_cases_whatever_the_rounding_of_headers(hearts):
    labeling = Labeling("small", (Removal(smallest=0.25),))
    once_rounded = [(1.2, 1.2, float(np.float32(8.7))), (1.2, 1.2, 8.7)]
    gone = ~maps(hearts, labeling, None, voxel_volumes(once_rounded * 20))
    assert np.flatnonzero(gone[:, 0]).tolist() == list(range(10))


def test_slices_that_are_left_out_are_ignored_and_the_maps_stay_annotated(labels):
    labeling = Labeling("sparse", (Removal(slices=3),))
    assert maps(CASES, labeling).all()
    result = relabel(labels, labeling)
    np.testing.assert_array_equal(result[..., [1, 4]], labels[..., [1, 4]])
    assert (result[..., [0, 2, 3, 5]] == IGNORE).all()


def test_slices_are_left_out_of_the_chosen_subjects_and_group_alone(hearts):
    es, half = Removal("ES", slices=2), Removal("ES", share=(0, 0.5), slices=2)
    chosen = emptied(hearts, "partial-50")[:, 1]  # the same half of the subjects, by their ES maps
    of_es = np.array([each.group == "ES" for each in hearts])
    for removal, concerned in ((es, of_es), (half, chosen), (Removal(slices=2), of_es | True)):
        result = relabel(np.ones((40, 2, 2, 6), np.uint8), Labeling("sparse", (removal,)), hearts)
        shares = (result == IGNORE).mean(axis=(1, 2, 3))
        assert shares.tolist() == (0.5 * concerned).tolist()
    other = slice_steps(hearts, Labeling("sparse", (replace(half, seed=1),)))
    assert np.flatnonzero(list(map(len, other))).tolist() != np.flatnonzero(chosen).tolist()


@pytest.mark.parametrize(
    ("n", "depth", "kept"),
    [
        (2, 1, [0]),
        (8, 4, [1]),
        (16, 8, [3]),
        (8, 5, [4]),
        (3, 6, [1, 4]),
        (2, 8, [1, 3, 5, 7]),
    ],
)
def test_a_case_of_few_slices_keeps_one_of_them(n, depth, kept):
    labeling = Labeling("sparse", (Removal(slices=n),))
    result = relabel(np.ones((1, 2, 2, depth), np.uint8), labeling, CASES[:1])
    assert np.flatnonzero((result != IGNORE).any(axis=(0, 1, 2))).tolist() == kept
    assert (result[..., kept] == 1).all()


def test_entries_that_together_keep_no_slice_are_refused(labels):
    text = refusal(relabel, labels, Labeling("none", (Removal(slices=2), Removal("ES", slices=4))))
    assert text.startswith("slices 2 and 4 of one labeling keep none of the 6 slices of a case")


def test_slices_of_a_group_or_share_that_is_none_are_refused(hearts):
    for removal, message in (
        (Removal("EX", slices=2), "no case is of group 'EX'"),
        (Removal("ES", share=(0, 0.02), slices=2), "that share of 20 subjects of group ES is none"),
    ):
        assert message in refusal(maps, hearts, Labeling("sparse", (removal,)))


def test_a_share_of_nobody_is_refused(hearts):
    with pytest.raises(InputError, match="labeling partial-2: that share of 20 subjects of group"):
        emptied(hearts, "partial-2")


def test_a_group_that_no_case_is_of_is_refused():
    labeling = Labeling("mine", (Removal("EX"),))
    text = refusal(maps, CASES, labeling)
    assert text == "labeling mine: no case is of group 'EX'; the groups are ED, ES"


def test_what_is_annotated_comes_back_from_its_table(tmp_path):
    path, names = tmp_path / "partial.tsv", [each.case for each in CASES]
    annotated = maps(CASES, PARTIAL)
    write_annotated(path, names, CLASSES, annotated)
    np.testing.assert_array_equal(read_annotated(path, names, CLASSES), annotated)
    turned = read_annotated(path, names, CLASSES[::-1])
    np.testing.assert_array_equal(turned, annotated[:, ::-1])
    assert "is of other cases" in refusal(read_annotated, path, names[::-1], CLASSES)
    assert "has no class 'AO'" in refusal(read_annotated, path, names, ["AO"])

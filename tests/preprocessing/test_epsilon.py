import numpy as np
import pytest

from dicegrad.errors import InputError
from dicegrad.preprocessing.epsilon import (
    class_volumes,
    epsilon_of_folds,
    heuristic_epsilon,
    read_epsilon,
    read_volumes,
    write_epsilon,
    write_volumes,
)


def test_volumes_are_voxel_counts_per_case_and_class():
    labels = np.zeros((2, 3, 3, 3), np.uint8)
    labels[0, 0] = 1
    labels[0, 1, 0] = 3
    labels[1, 2] = 2
    assert class_volumes(labels, 3).tolist() == [[9, 0, 3], [0, 9, 0]]


def test_epsilon_is_the_mean_over_the_list_in_which_ed_stands_three_times():
    volumes = np.array([[100, 40], [20, 0], [60, 20], [40, 0]])
    groups = ["ED", "ES", "ED", "ES"]
    assert heuristic_epsilon(volumes, groups).tolist() == [55, 15]
    repeated = volumes[[0, 0, 0, 1, 2, 2, 2, 3]]
    np.testing.assert_allclose(heuristic_epsilon(volumes, groups, {"ED": 3}), repeated.mean(axis=0))


def test_epsilon_refuses_what_is_not_there():
    with pytest.raises(InputError, match="no case is of group 'EX'"):
        heuristic_epsilon(np.ones((1, 1)), ["ED"], {"EX": 3})
    with pytest.raises(InputError, match="the fold has none"):
        heuristic_epsilon(np.ones((0, 1)), [])


def test_the_table_has_a_row_per_class(tmp_path):
    row = {"dataset": "heart", "labeling": "full", "fold": 0, "class": "LV", "epsilon": 12.5}
    write_epsilon(tmp_path / "epsilon.tsv", [row])
    text = (tmp_path / "epsilon.tsv").read_text()
    assert text == "dataset\tlabeling\tfold\tclass\tepsilon\nheart\tfull\t0\tLV\t12.5\n"


def test_volumes_come_back_from_their_table(tmp_path):
    volumes = np.array([[3, 0], [12, 7]])
    write_volumes(tmp_path / "volumes.tsv", ["a", "b"], ["LV", "MYO"], volumes)
    classes, read = read_volumes(tmp_path / "volumes.tsv")
    assert classes == ["LV", "MYO"]
    np.testing.assert_array_equal(read, volumes)


def test_a_fold_takes_its_epsilon_from_the_cases_that_it_does_not_hold_out():
    volumes, groups = np.array([[10], [20], [30], [0]]), ["ED", "ES", "ED", "ES"]
    found = epsilon_of_folds(volumes, [0, 0, 1, 1], groups, 2, {"ED": 3})
    np.testing.assert_allclose(found, [[(3 * 30 + 0) / 4], [(3 * 10 + 20) / 4]])


def test_epsilons_of_a_fold_come_back_in_the_order_of_the_classes(tmp_path):
    rows = [
        {"dataset": "d", "labeling": "full", "fold": fold, "class": name, "epsilon": value}
        for fold, name, value in [(0, "LV", 1.5), (0, "MYO", 2.5), (1, "LV", 3.5), (1, "MYO", 4.5)]
    ]
    write_epsilon(tmp_path / "epsilon.tsv", rows)
    assert read_epsilon(tmp_path / "epsilon.tsv", 1, ["MYO", "LV"]) == [4.5, 3.5]
    with pytest.raises(InputError, match="no epsilon of class 'RV' in fold 1; make it anew"):
        read_epsilon(tmp_path / "epsilon.tsv", 1, ["RV"])

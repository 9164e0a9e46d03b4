import numpy as np
import pytest

from dicegrad.errors import InputError
from dicegrad.files import read_rows
from dicegrad.preprocessing.epsilon import (
    EPSILON,
    class_volumes,
    epsilon_of_folds,
    epsilon_of_study,
    epsilon_rows,
    mean_volumes,
    read_epsilon,
    read_volumes,
    write_epsilon,
    write_volumes,
)
from tests.conftest import refusal


def test_volumes_are_voxel_counts_per_case_and_class():
    labels = np.zeros((2, 3, 3, 3), np.uint8)
    labels[0, 0] = 1
    labels[0, 1, 0] = 3
    labels[1, 2] = 2
    assert class_volumes(labels, 3).tolist() == [[9, 0, 3], [0, 9, 0]]


def test_epsilon_is_the_mean_over_the_list_in_which_ed_stands_three_times():
    volumes = np.array([[100, 40], [20, 0], [60, 20], [40, 0]])
    groups = ["ED", "ES", "ED", "ES"]
    assert mean_volumes(volumes, groups).tolist() == [55, 15]
    repeated = volumes[[0, 0, 0, 1, 2, 2, 2, 3]]
    np.testing.assert_allclose(mean_volumes(volumes, groups, {"ED": 3}), repeated.mean(axis=0))


def test_epsilon_refuses_what_is_not_there():
    with pytest.raises(InputError, match="no case is of group 'EX'"):
        mean_volumes(np.ones((1, 1)), ["ED"], {"EX": 3})
    with pytest.raises(InputError, match="the fold has none"):
        mean_volumes(np.ones((0, 1)), [])


def test_the_table_has_a_row_per_class(tmp_path):
    row = {"dataset": "heart", "labeling": "full", "fold": 0, "class": "LV", "epsilon": 12.5}
    write_epsilon(tmp_path / "epsilon.tsv", [row])
    text = (tmp_path / "epsilon.tsv").read_text()
    assert text == "dataset\tlabeling\tfold\tclass\tepsilon\nheart\tfull\t0\tLV\t12.5\n"


def test_rows_of_the_table_are_by_fold_and_class_in_thousandths_of_a_voxel(tmp_path):
    rows = epsilon_rows("heart", "full", ["LV", "MYO"], np.array([[12.5, 1 / 3], [2.0, 0.0]]))
    write_epsilon(tmp_path / "epsilon.tsv", rows)
    assert (tmp_path / "epsilon.tsv").read_text().splitlines()[1:] == [
        "heart\tfull\t0\tLV\t12.5",
        "heart\tfull\t0\tMYO\t0.333",
        "heart\tfull\t1\tLV\t2",
        "heart\tfull\t1\tMYO\t0",
    ]


def test_the_table_of_a_study_tells_which_maps_count_in_each_mean(tmp_path):
    tables = {}
    for name, only, value in (("partial", False, 3.0), ("partial.annotated", True, 6.0)):
        tables[tmp_path / f"{name}.tsv"] = only
        write_epsilon(
            tmp_path / f"{name}.tsv", epsilon_rows("heart", "partial", ["LV"], np.array([[value]]))
        )
    write_epsilon(tmp_path / "epsilon.tsv", epsilon_of_study(tables))
    assert (tmp_path / "epsilon.tsv").read_text().splitlines() == [
        "dataset\tlabeling\tannotated_only\tfold\tclass\tepsilon",
        "heart\tpartial\tFalse\t0\tLV\t3",
        "heart\tpartial\tTrue\t0\tLV\t6",
    ]
    assert [row["annotated_only"] for row in read_rows(tmp_path / "epsilon.tsv", EPSILON)] == [
        False,
        True,
    ]


def test_one_of_two_epsilons_is_not_taken_by_chance(tmp_path):
    rows = epsilon_rows("heart", "partial", ["LV"], np.array([[3.0]]))
    write_epsilon(tmp_path / "epsilon.tsv", [*rows, *rows])
    told = refusal(read_epsilon, tmp_path / "epsilon.tsv", 0, ["LV"])
    assert told == (
        f"{tmp_path / 'epsilon.tsv'}: has two epsilons of class LV in fold 0; give the table of "
        "one labeling, such as resources/<dataset>/epsilon/<labeling>.tsv"
    )


def test_volumes_come_back_from_their_table(tmp_path):
    volumes = np.array([[3, 0], [12, 1_234_567_890]])
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
    with pytest.raises(InputError, match="no epsilon of class 'RV' in fold 1"):
        read_epsilon(tmp_path / "epsilon.tsv", 1, ["RV"])


def test_an_epsilon_of_0_is_refused_since_dice_of_two_empty_maps_needs_more(tmp_path):
    row = {"dataset": "d", "labeling": "partial", "fold": 0, "class": "MYO", "epsilon": 0.0}
    write_epsilon(tmp_path / "epsilon.tsv", [row])
    with pytest.raises(InputError, match="MYO") as error:
        read_epsilon(tmp_path / "epsilon.tsv", 0, ["MYO"])
    assert str(tmp_path / "epsilon.tsv") in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_maps_that_are_not_annotated_do_not_count_in_the_mean():
    volumes = np.array([[100, 40], [20, 0], [60, 20], [40, 0]])
    annotated = np.array([[True, True], [True, False], [True, True], [True, False]])
    groups = ["ED", "ES", "ED", "ES"]
    assert mean_volumes(volumes, groups, annotated=annotated).tolist() == [55, 30]
    thrice = mean_volumes(volumes, groups, {"ED": 3}, annotated)
    np.testing.assert_allclose(thrice, [(3 * 160 + 60) / 8, 30])
    assert mean_volumes(volumes, groups, annotated=~annotated).tolist() == [0, 0]

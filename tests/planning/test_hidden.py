import random

import numpy as np
import pytest

from dicegrad.planning.rows import HIDDEN, propose_rows
from dicegrad.preprocessing.labeling import annotated_maps
from dicegrad.study.labeling import Removal, make_labelings
from tests.planning.test_rows import known, rows_of


def with_gaps(count, gaps, choice=0):
    """So many cases, in some of which, chosen at random, nobody drew RV."""
    without = set(random.Random(choice).sample(range(count), gaps))
    drawn = [("LV",) if n in without else None for n in range(count)]
    return known([(9, 0 if n in without else 5) for n in range(count)], annotated=drawn)


def hidden_of(data):
    """(N, K) bool: the drawn filled maps that the labeling of the proposal takes in a study."""
    labelings = {name: entries for name, (entries, _) in propose_rows(data).labelings.items()}
    cases = [each.case for each in data.facts]
    labeling = make_labelings(None, labelings)[HIDDEN]
    kept = annotated_maps(
        cases, data.classes, labeling, np.ones((len(cases), 2)), np.ones(len(cases))
    )
    return data.annotated & data.filled & ~kept


@pytest.mark.parametrize(("count", "gaps"), [(10, 5), (12, 3), (20, 10), (6, 3)])
def test_the_share_that_is_missing_is_hidden_of_the_maps_that_were_drawn(count, gaps):
    for choice in range(20):
        found = hidden_of(with_gaps(count, gaps, choice)).sum(axis=0)
        wanted = gaps / count * (count - gaps)
        assert found[0] == 0
        assert found[1] == pytest.approx(wanted, abs=1)
        assert 0 < found[1] < count - gaps


def test_a_single_gap_in_many_cases_hides_a_share_that_a_dataset_may_have():
    data = with_gaps(400, 1)
    (entries, _) = propose_rows(data).labelings[HIDDEN]
    assert entries[0]["share"] == 0.01
    assert 0 < hidden_of(data)[:, 1].sum() < 6


def test_each_group_hides_its_own_share():
    groups = ["A"] * 10 + ["B"] * 10
    drawn = [("LV",) if n in (0, 3, 5, 6, 9, 12, 17) else None for n in range(20)]
    data = known([(9, 5 if each is None else 0) for each in drawn], groups=groups, annotated=drawn)
    hidden = hidden_of(data)[:, 1]
    assert abs(hidden[:10].sum() - 0.5 * 5) <= 1
    assert abs(hidden[10:].sum() - 0.2 * 8) <= 1


def test_a_class_that_only_one_case_shows_is_not_hidden():
    data = with_gaps(4, 3)
    assert not propose_rows(data).labelings
    assert {row[0] for row in rows_of(propose_rows(data))} == {"as-annotated"}


def test_only_a_class_that_is_hidden_is_said_to_be():
    drawn = [("LV",), ("LV", "MYO"), ("LV", "MYO"), None]
    volumes = [(9, 0, 0), (9, 5, 0), (9, 5, 0), (9, 5, 3)]
    data = known(volumes, ("LV", "MYO", "RV"), annotated=drawn)
    (entries, why) = propose_rows(data).labelings[HIDDEN]
    assert [entry["classes"] for entry in entries] == [["MYO"]]
    assert "MYO in 25%" in why
    assert "RV" not in why


def test_a_share_of_few_subjects_with_many_cases_is_one_subject():
    data = known([(9, 0)] + [(9, 5)] * 8, annotated=[("LV",)] + [None] * 8, per_subject=3)
    assert 0 < hidden_of(data)[:, 1].sum() < 8


def test_the_first_seed_is_not_written():
    seeds = [
        propose_rows(with_gaps(10, 5, choice)).labelings[HIDDEN][0][0].get("seed")
        for choice in range(20)
    ]
    assert None in seeds
    assert 0 not in seeds
    assert Removal.from_dict({"share": 0.5}).seed == 0

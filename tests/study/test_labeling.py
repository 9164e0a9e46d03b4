"""The grammar of labelings: full, partial and its shares, and those that a dataset names."""

import pytest

from dicegrad.study.labeling import (
    Labeling,
    Removal,
    find_labeling,
    make_labelings,
    missing_share,
    sort_labelings,
)
from tests.conftest import refusal
from tests.study.conftest import read_one

MISSING = Removal("ES", ("MYO",))
KNOWN = make_labelings(MISSING, {"sites": [{"group": "ED", "classes": ["RV"], "share": 0.5}]})


def test_full_takes_nothing_and_partial_what_the_dataset_says():
    assert find_labeling("full", KNOWN) == Labeling("full")
    assert find_labeling("partial", KNOWN).removals == (MISSING,)
    half = find_labeling("partial-50", KNOWN)
    assert half.removals == (Removal("ES", ("MYO",), (0.0, 0.5)),)
    assert find_labeling("sites", KNOWN).removals == (Removal("ED", ("RV",), (0.0, 0.5)),)


@pytest.mark.parametrize("labeling", ["partial-0", "partial-100", "partial-5.5", "partial50", ""])
def test_a_share_is_a_whole_percentage_below_a_hundred(labeling):
    text = refusal(find_labeling, labeling, KNOWN)
    assert text.startswith(f"labeling is {labeling!r}; the dataset has full, as-annotated, partial")
    assert "and shares such as partial-50" in text


def test_a_dataset_that_does_not_say_what_partial_is_has_none():
    known = make_labelings(None, {})
    for name in ("partial", "partial-50"):
        assert "needs the key `missing` of the dataset" in refusal(find_labeling, name, known)


def test_labelings_are_sorted_by_what_is_missing():
    assert missing_share("full") == missing_share("as-annotated") == 0
    order = ["full", "partial-5", "partial-50", "sites", "partial"]
    assert sort_labelings([*reversed(order), "partial"]) == order


def test_the_share_of_the_maps_that_a_labeling_takes_away_is_told():
    assert find_labeling("partial-25", KNOWN).missing_share("ES", "MYO") == 0.25
    assert find_labeling("partial-25", KNOWN).missing_share("ED", "MYO") == 0
    assert find_labeling("partial", KNOWN).missing_share("ES", "LV") == 0
    both = Labeling("x", (Removal(None, (), (0, 0.75)), Removal("ES", (), (0, 0.75))))
    assert both.missing_share("ES", "LV") == 0.75  # the same maps, twice
    assert Labeling("x", (Removal(smallest=0.5, share=(0, 0.5)),)).missing_share("ED", "LV") == 0.25
    assert Labeling("x", (Removal(slices=2),)).missing_share("ED", "LV") == 0


@pytest.mark.parametrize(
    ("entries", "share"),
    [
        ([{"share": 0.5}, {"share": [0.5, 1]}], 1),
        ([{"share": 0.5}, {"share": [0.25, 0.75]}], 0.75),
        ([{"share": [0.5, 0.75]}, {"share": [0, 0.125]}, {"share": [0, 0.25]}], 0.5),
        ([{"share": 0.5}, {"share": 0.5, "seed": 1}], 0.75),
        ([{"share": 0.5}, {"share": 0.5, "smallest": 0.5}], 0.5),
        ([{"share": 0.5}, {"smallest": 0.5}], 0.75),
        ([{"share": 1.0}, {"share": 1.0, "seed": 1}], 1),
        ([{"share": 0.5}, {"share": 0.5, "classes": ["RV"]}, {"share": 0.5, "group": "ED"}], 0.5),
    ],
)
def test_what_two_entries_take_away_counts_once(entries, share):
    named = make_labelings(None, {"x": entries})["x"]
    assert named.missing_share("ES", "LV") == share


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"classes": ["AO"]}, "entry 1: classes has 'AO'; the classes are LV, MYO, RV"),
        ({"share": [0.5, 0.5]}, "entry 1: share is [0.5, 0.5]; write a number above 0"),
        ({"slices": 2, "classes": ["LV"]}, "entry 1: slices are ignored for all classes together"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(entry, message):
    text = refusal(lambda: read_one(labelings={"mine": [entry]}))
    assert text.startswith(f"mine.yaml: datasets.heart: labelings.mine, {message}")


@pytest.mark.parametrize("name", ["full", "Full", "partial", "as-annotated", "partial-50"])
def test_a_word_of_the_grammar_is_no_name_of_a_labeling(name):
    text = refusal(lambda: read_one(labelings={name: [{"group": "ES"}]}))
    assert f"labelings has {name!r}" in text


def test_a_labeling_whose_tables_would_be_those_of_another_is_refused():
    text = refusal(lambda: read_one(labelings={"mine.annotated": [{"group": "ES"}]}))
    assert "labelings has 'mine.annotated', and .annotated ends the tables" in text


def test_two_labelings_that_are_one_folder_on_some_disks_are_refused():
    entry = [{"group": "ES"}]
    text = refusal(lambda: read_one(labelings={"mine": entry, "Mine": entry}))
    assert "labelings has 'mine' and 'Mine', which are one folder where" in text

"""Which labeling lacks the most labels, and which groups lack what: by the shares it takes."""

import pandas as pd
import pytest

from dicegrad.evaluation.setups import in_order, lacking_groups, with_missing_labels


def about(**labelings):
    """A dataset of two groups and classes; a labeling takes {(group, class): share}."""
    shares = {
        name: {
            group: {each: taken.get((group, each), 0.0) for each in ("LV", "MYO")}
            for group in ("ED", "ES")
        }
        for name, taken in labelings.items()
    }
    return {
        "groups": ["ED", "ES"],
        "classes": ["LV", "MYO"],
        "missing": {"group": "ES", "classes": ["MYO"]},
        "labelings": shares,
    }


HEART = about(
    **{
        "full": {},
        "drop-all": {("ES", "MYO"): 1.0},
        "keep-most": {("ES", "MYO"): 0.1},
        "a-little-of-each": {(g, c): 0.3 for g in ("ED", "ES") for c in ("LV", "MYO")},
        "slices": {},
    }
)


def rows(*labelings, dataset="heart"):
    return pd.DataFrame({"dataset": dataset, "labeling": labelings})


def chosen(table):
    return list(with_missing_labels(table, {"heart": HEART})["labeling"])


def test_the_labeling_with_the_most_missing_labels_is_the_one_that_takes_the_most():
    assert chosen(rows("full", "drop-all", "keep-most", "drop-all")) == ["drop-all", "drop-all"]
    assert chosen(rows("full", "drop-all", "a-little-of-each")) == ["a-little-of-each"]
    assert chosen(rows("full", "keep-most")) == ["keep-most"]


def test_full_labels_alone_have_none():
    assert chosen(rows("full", "as-annotated")) == []


def test_a_labeling_that_takes_only_slices_comes_after_full_labels_and_before_all_others():
    assert in_order(HEART, ["keep-most", "slices", "full"]) == ["full", "slices", "keep-most"]
    assert chosen(rows("full", "slices")) == ["slices"]


def test_where_nobody_knows_the_shares_the_names_tell():
    table = rows("full", "partial-25", "partial-50", dataset="tumor")
    assert list(with_missing_labels(table, {})["labeling"]) == ["partial-50"]


@pytest.mark.parametrize(
    ("labeling", "class_name", "groups"),
    [
        ("drop-all", "MYO", ["ES"]),
        ("drop-all", "LV", []),
        ("a-little-of-each", "LV", ["ED", "ES"]),
        ("full", "MYO", []),
    ],
)
def test_the_groups_that_lack_a_class_are_those_of_the_labeling(labeling, class_name, groups):
    assert lacking_groups(HEART, labeling, class_name) == groups


def test_a_dataset_that_tells_no_shares_lacks_what_partial_takes():
    plain = {key: value for key, value in HEART.items() if key != "labelings"}
    assert lacking_groups(plain, "partial", "MYO") == ["ES"]
    assert lacking_groups(plain, "full", "MYO") == []

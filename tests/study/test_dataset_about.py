"""What tables and figures are told of a dataset: which groups lack which classes."""

from dataclasses import replace

from tests.study.conftest import read_one


def told(labelings, named=None, **changes):
    """`about` of the hearts for a study of some labelings."""
    heart = read_one(labelings=named or {}, **changes)
    return heart.about(["ED", "ES"], labelings)["missing"]


def test_partial_labels_lack_the_group_and_classes_of_the_key_missing():
    assert told(["full", "partial"]) == {"group": "ES", "classes": ["MYO"]}
    assert told(["full"]) == {"group": "ES", "classes": ["MYO"]}


def test_a_class_that_a_named_labeling_takes_is_reported_too():
    named = {"drop-rv": [{"group": "ED", "classes": ["RV"]}]}
    assert told(["full", "partial", "drop-rv"], named)["classes"] == ["MYO", "RV"]
    assert told(["full", "drop-rv"], named)["classes"] == ["RV"]
    assert told(["as-annotated", "drop-rv"], named)["classes"] == ["MYO", "RV"]


def test_without_the_key_missing_the_group_is_the_only_one_that_lacks_labels():
    heart = replace(
        read_one(
            labelings={"ed": [{"group": "ED"}], "es": [{"group": "ES"}], "both": [{"share": 1.0}]}
        ),
        missing=None,
    )

    def group(*labelings):
        return heart.about(["ED", "ES"], labelings)["missing"]["group"]

    assert group("full", "ed") == "ED"
    assert group("ed", "es") == group("both") == group("full") == ""
    assert heart.about(["all"], ["both"])["missing"]["group"] == ""

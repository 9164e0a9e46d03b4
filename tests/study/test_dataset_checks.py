"""Settings of a dataset that do not go together."""

import pytest

from tests.conftest import refusal
from tests.study.conftest import read_one

SLIDE = {"window": "slide"}
WHOLE, NONZERO = {"over": "whole"}, {"over": "nonzero"}


@pytest.mark.parametrize(
    ("prediction", "normalisation"), [({}, NONZERO), ({}, WHOLE), (SLIDE, WHOLE)]
)
def test_networks_may_not_know_where_the_true_labels_of_a_test_set_lie(prediction, normalisation):
    block = {"crop": "label", "normalisation": normalisation}
    said = refusal(lambda: read_one(test=True, preprocessing=block, prediction=prediction))
    assert "test is true, and preprocessing.crop is label" in said
    assert "set crop to snap or foreground, or remove test" in said
    read_one(preprocessing=block, prediction=prediction)
    read_one(test=True, preprocessing=block | {"crop": "snap"}, prediction=prediction)


def test_a_sliding_window_needs_no_place_in_a_test_image():
    block = {"crop": "label", "normalisation": NONZERO}
    read_one(test=True, preprocessing=block, prediction=SLIDE)

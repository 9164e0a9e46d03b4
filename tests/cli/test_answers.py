"""What commands print for programs is JSON that every reader takes."""

import json
import math

import pytest

from dicegrad.cli.answers import as_json


def _strictly(text):
    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_null(value):
    content = {"auc": value, "rows": [{"dsc": value, "n": 3}], "pair": (0.5, value), "text": "ä"}
    expected = {"auc": None, "rows": [{"dsc": None, "n": 3}], "pair": [0.5, None], "text": "ä"}
    assert _strictly(as_json(content)) == expected

"""What commands print for programs is JSON that every reader takes."""

import json
import math

import pytest

from dicegrad.cli import main
from dicegrad.cli.answers import as_json, check_figure
from tests.conftest import refusal


def _strictly(text):
    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_null(value):
    content = {"auc": value, "rows": [{"dsc": value, "n": 3}], "pair": (0.5, value), "text": "ä"}
    expected = {"auc": None, "rows": [{"dsc": None, "n": 3}], "pair": [0.5, None], "text": "ä"}
    assert _strictly(as_json(content)) == expected


def test_a_figure_that_cannot_be_drawn_is_told_before_anything_is_computed(tmp_path):
    check_figure(None)
    check_figure(tmp_path / "a.PNG")
    assert "a figure ends in .png, .pdf, .svg; name it so" in refusal(
        check_figure, tmp_path / "a.x"
    )
    assert "there is no folder" in refusal(check_figure, tmp_path / "none" / "a.png")


@pytest.mark.parametrize("patch", [["4"], ["-1", "-4", "4"], ["0", "4"], ["4"] * 4])
def test_a_patch_has_a_size_along_each_axis(capsys, tmp_path, patch):
    assert main(["forecast", str(tmp_path), "--patch", *patch]) == 1
    assert f"error: --patch is {' '.join(patch)}; give its voxels" in capsys.readouterr().err

"""What weights remember of the images that they were trained on."""

import numpy as np
import pytest

from dicegrad.data.geometry import Grid
from dicegrad.data.volumes import Header
from dicegrad.preprocessing.about import About, write_about
from dicegrad.training.seen import Seen, seen_in, share_outside
from tests.conftest import refusal

LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
RAS = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def grid(size, direction=LPS, spacing=(1.0, 1.0, 1.0)):
    """A grid whose middle is at 0."""
    start = Grid(size, spacing, (0.0, 0.0, 0.0), direction)
    x, y, z = (-each for each in start.point([(n - 1) / 2 for n in size]))
    return Grid(size, spacing, (x, y, z), direction)


@pytest.mark.parametrize(
    ("network", "share"),
    [
        (grid((10, 10, 10)), 0.0),
        (grid((20, 20, 20)), 0.0),
        (grid((5, 10, 10)), 0.5),
        (grid((5, 5, 5)), 0.875),
        (grid((5, 5, 5), spacing=(2.0, 2.0, 2.0)), 0.0),
        (grid((1, 10, 10), spacing=(5.0, 1.0, 1.0)), 0.5),
    ],
)
def test_the_share_of_an_image_that_a_grid_does_not_reach(network, share):
    assert share_outside(grid((10, 10, 10)), network) == pytest.approx(share)


def test_axes_run_as_those_of_the_training_cases_the_commonest_first(tmp_path):
    grids = {"a": grid((4, 4, 4)), "b": grid((4, 4, 4), RAS), "c": grid((2, 4, 4), RAS)}
    originals = {name: Header(grid((4, 4, 4), each.direction)) for name, each in grids.items()}
    about = About(("MR",), ("head",), {"head": (1,)}, None, grids, originals)
    write_about(tmp_path / "prepared.json", about)
    arrays = tmp_path / "images.npy"
    assert seen_in(arrays, ["a", "b", "c"]) == Seen((RAS, LPS), 0.5, False)
    assert seen_in(arrays, ["a"]) == Seen((LPS,), 0.0, False)
    assert type(seen_in(arrays, ["c"]).outside) is float  # weights take plain values alone
    assert seen_in(arrays, []) is None
    for seen in (Seen((RAS,), 0.25), Seen((RAS,), 0.25, True)):
        assert Seen.from_dict(seen.to_dict()) == seen
    assert Seen.from_dict({"axes": [RAS], "outside": 0.25}).unplaced is None  # earlier weights


def test_one_training_case_without_a_place_is_enough_to_know_such_images(tmp_path):
    here = grid((4, 4, 4))
    headers = {"a": Header(here), "b": Header(here, placed=False)}
    about = About(("MR",), ("head",), {"head": (1,)}, None, dict.fromkeys("ab", here), headers)
    write_about(tmp_path / "prepared.json", about)
    known = {names: seen_in(tmp_path / "images.npy", names).unplaced for names in ("a", "b", "ab")}
    assert known == {"a": False, "b": True, "ab": True}


def test_arrays_of_other_means_say_nothing_and_a_damaged_file_is_one_line(tmp_path):
    assert seen_in(tmp_path / "images.npy", ["a"]) is None
    (tmp_path / "prepared.json").write_text('{"cases": {"a": 3}}')
    assert "prepared.json: is damaged" in refusal(seen_in, tmp_path / "images.npy", ["a"])


def test_oblique_images_that_lie_alike_run_one_way(tmp_path):
    turned = []
    for angle in (40, 50):  # nearest to different axes of the body
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        turned.append(grid((4, 4, 4), (c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0)))
    headers = {name: Header(each) for name, each in zip("ab", turned, strict=True)}
    grids = dict(zip("ab", turned, strict=True))
    about = About(("MR",), ("head",), {"head": (1,)}, None, grids, headers)
    write_about(tmp_path / "prepared.json", about)
    assert len(seen_in(tmp_path / "images.npy", ["a", "b"]).axes) == 1

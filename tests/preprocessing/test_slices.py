from pathlib import Path

import pytest

from dicegrad.data.adapter import Case
from dicegrad.data.geometry import Grid
from dicegrad.preprocessing.slices import check_slices, slice_distances
from dicegrad.study.labeling import Labeling, Removal
from tests.conftest import refusal

CASES = [
    Case(f"{subject}_{group}", subject, group, (Path("i.nii"),), Path("l.nii"))
    for subject in "ab"
    for group in ("ED", "ES")
]
SPARSE = Labeling("sparse", (Removal(slices=2),))
UPRIGHT = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)


def grid(*spacing, direction=UPRIGHT):
    return Grid((4, 4, 4), spacing, (0.0, 0, 0), direction)


def check(images, grids, labeling=SPARSE):
    check_slices("heart", CASES, labeling, slice_distances(images, grids))


def test_slices_of_a_grid_that_is_finer_than_an_image_are_refused():
    images = [grid(1.0, 1.0, z) for z in (1.0, 2.0, 5.0, 2.0)]
    assert refusal(check, images, [grid(1.0, 1.0, 1.0)] * 4) == (
        "dataset heart: labeling sparse leaves out slices of the grid, which are 1 mm apart, and "
        "those of case a_ES are 2 mm apart; set the z of preprocessing.spacing to native, or to "
        "5 mm or more"
    )
    check(images, [grid(1.0, 1.0, 5.0)] * 4)
    check(images, images)  # native


@pytest.mark.parametrize("z", [2.0 + 1e-7, 2.001])
def test_the_rounding_of_a_header_makes_no_grid_finer(z):
    check([grid(1.0, 1.0, z)] * 4, [grid(1.0, 1.0, 2.0)] * 4)


def test_only_the_cases_that_lose_slices_count():
    images = [grid(1.0, 1.0, 2.0 if case.group == "ED" else 1.0) for case in CASES]
    grids = [grid(1.0, 1.0, 1.0)] * 4
    check(images, grids, Labeling("sparse", (Removal("ES", slices=2),)))
    check(images, grids, Labeling("maps", (Removal(classes=("LV",)),)))
    assert "those of case a_ED" in refusal(check, images, grids)


def test_the_slices_of_an_image_are_those_along_z_of_the_grid():
    sideways = grid(1.0, 3.0, 2.0, direction=(1.0, 0, 0, 0, 0, 1.0, 0, -1.0, 0))
    images, grids = [sideways] * 4, [grid(1.0, 1.0, 3.0)] * 4
    assert slice_distances(images, grids).tolist() == [[3.0, 3.0]] * 4
    check(images, grids)

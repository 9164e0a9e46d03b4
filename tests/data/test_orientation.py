"""Axes in another order or reversed: every voxel keeps its value and its place."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest

from dicegrad.data.geometry import Grid
from dicegrad.data.orientation import (
    Turn,
    axis_codes,
    best_orientation,
    mixed_orientations,
    turn_of,
)
from dicegrad.data.volumes import Header, Volume

VOXELS = np.arange(4 * 3 * 2).reshape(4, 3, 2)
CODES = ["".join(c) for order in permutations(("LR", "PA", "IS")) for c in product(*order)]


def oriented(codes, tilt=0.0):
    """A volume whose axes run to these directions, tilted a little, as nibabel says."""
    turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn * (1.0, 2.0, 3.0)
    affine[:3, 3] = (5, -7, 11)
    image = nib.Nifti1Image(VOXELS.astype(np.int16), affine)
    moved = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(tuple(codes))
    )
    return image.as_reoriented(moved)


def volume_of(image):
    header = Header.of_affine(image.shape, image.affine)
    return Volume(np.asarray(image.dataobj), header)


@pytest.mark.parametrize("codes", CODES)
def test_every_orientation_becomes_ras_as_nibabel_does_it(codes):
    image = oriented(codes, tilt=0.2)
    volume, canonical = volume_of(image), nib.as_closest_canonical(image)
    assert axis_codes(volume.grid) == codes == "".join(nib.aff2axcodes(image.affine))
    turn = Turn.to_ras(volume.grid)
    turned = turn.volume(volume)
    assert axis_codes(turned.grid) == "RAS"
    np.testing.assert_array_equal(turned.voxels, np.asarray(canonical.dataobj))
    expected = volume_of(canonical).grid
    assert turned.grid.size == expected.size
    for name in ("spacing", "origin", "direction"):
        np.testing.assert_allclose(getattr(turned.grid, name), getattr(expected, name), atol=1e-5)
    np.testing.assert_array_equal(turn.back(turned.voxels), volume.voxels)
    assert Turn.between(volume.grid, turned.grid) == turn


def test_what_lies_ras_already_is_returned_as_it_is():
    volume = volume_of(oriented("RAS"))
    assert Turn.to_ras(volume.grid).is_none
    assert Turn().volume(volume) is volume


def test_a_case_is_turned_as_its_first_volume_that_has_a_place_says():
    grid = volume_of(oriented("LPS")).grid
    picture, scan = Header(grid, placed=False), Header(grid)
    assert turn_of([picture, scan], "RAS") == Turn.to_ras(grid)
    assert turn_of([picture, scan], "as-is").is_none
    assert turn_of([picture], "RAS").is_none


def test_images_in_different_orientations_are_counted():
    same = [volume_of(oriented("LPS", tilt)).header for tilt in (0, 0.1)]
    assert mixed_orientations(same) is None
    other = volume_of(oriented("RAS")).header
    assert "(2 LPS, 1 RAS)" in mixed_orientations([*same, other])
    flat = Grid((2, 2, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    assert mixed_orientations([other, Header(flat, placed=False)]) is None


def test_oblique_images_that_lie_alike_are_left_as_they_are():
    """A few degrees around 45 decide which axis is nearer: no reason to turn some of them."""
    hearts = [volume_of(oriented("RAS", tilt)).header for tilt in (0.7, 0.87)]
    assert axis_codes(hearts[0].grid) != axis_codes(hearts[1].grid)
    assert mixed_orientations(hearts) is None
    assert best_orientation(hearts) == "as-is"
    assert best_orientation(hearts[:1]) == "RAS"
    heads = [volume_of(oriented(codes)).header for codes in ("RAS", "LPS")]
    assert best_orientation(heads) == "RAS"

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicegrad.errors import InputError
from dicegrad.preprocessing.grids import (
    Grid,
    bounding_box,
    centre_of_mass,
    covering_grid,
    network_grid,
)
from dicegrad.preprocessing.settings import Preprocessing
from tests.volumes import grid_of, image_on, volume_on

OBLIQUE = tuple(np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, -1.0]]).ravel())


def image_of(array, spacing=(1.5, 1.25, 8.0), origin=(-30.0, 12.0, 5.0), direction=OBLIQUE):
    return volume_on(Grid(array.shape, spacing, origin, direction), array)


def settings(**changes):
    return Preprocessing.from_dict({"spacing": [3, 2.5, 4], "size": [6, 8, 5], **changes})


def centre(grid):
    return grid.point([(n - 1) / 2 for n in grid.size])


def test_a_centred_grid_shares_its_centre_and_its_axes_with_the_image():
    image = image_of(np.ones((11, 14, 7), np.int16))
    grid = network_grid(image, settings())
    assert grid.size == (6, 8, 5)
    assert grid.spacing == (3, 2.5, 4)
    assert grid.direction == image.grid.direction
    middle = image_on(image.grid).TransformContinuousIndexToPhysicalPoint([5.0, 6.5, 3.0])
    np.testing.assert_allclose(centre(grid), middle)


def test_an_offset_moves_the_grid_along_its_axes():
    image = image_of(np.ones((11, 14, 7), np.int16))
    here = network_grid(image, settings())
    there = network_grid(image, settings(offset=[6, 0, -4]))
    np.testing.assert_allclose(there.origin, here.point([6 / 3, 0, -4 / 4]))
    assert there.direction == here.direction


def test_a_grid_that_snaps_is_moved_by_whole_voxels():
    image = image_of(np.ones((12, 14, 7), np.int16), spacing=(1.0, 1.0, 1.0))
    same = {"spacing": [1, 1, 1], "size": [6, 8, 5], "crop": "snap"}
    grid = network_grid(image, settings(**same, offset=[2.3, 0, 0]))
    first = image.grid.index(np.array(grid.origin))
    np.testing.assert_allclose(first, first.round(), atol=1e-9)
    assert first[0] == pytest.approx(3 + 2)


@pytest.mark.parametrize("crop", ["label", "foreground"])
def test_a_crop_puts_its_middle_voxel_on_the_centre_of_mass(crop):
    array = np.zeros((20, 20, 9), np.int16)
    array[3:8, 10:12, 4:7] = 2
    empty = image_of(np.zeros_like(array))
    label, image = (image_of(array), empty) if crop == "label" else (empty, image_of(array))
    grid = network_grid(image, settings(crop=crop), label)
    # Means 5, 10.5 and 5, rounded down; voxel (6, 8, 5) // 2 lies there.
    expected = image_on(image.grid).TransformIndexToPhysicalPoint([5, 10, 5])
    np.testing.assert_allclose(grid.point([3, 4, 2]), expected)


def test_a_crop_on_nothing_says_what_to_do():
    image = image_of(np.ones((8, 8, 4), np.int16))
    empty = image_of(np.zeros((8, 8, 4), np.int16))
    with pytest.raises(InputError, match="crop: label finds no voxel"):
        network_grid(image, settings(crop="label"), empty)
    with pytest.raises(InputError, match="needs a label map"):
        network_grid(image, settings(crop="label"))
    with pytest.raises(InputError, match="crop: foreground finds no voxel"):
        network_grid(empty, settings(crop="foreground"))


def test_a_grid_survives_json_and_simpleitk():
    grid = image_of(np.zeros((4, 5, 6), np.int16)).grid
    assert Grid.from_json(json.loads(json.dumps(grid.to_json()))) == grid
    assert grid_of(image_on(grid)) == grid


def test_positions_are_those_of_simpleitk():
    image = image_of(np.zeros((11, 14, 7), np.int16))
    grid = network_grid(image, settings())
    positions = image.grid.positions(grid)
    reference, seen = image_on(grid), image_on(image.grid)
    for index in ([0, 0, 0], [5, 0, 2], [1, 7, 4]):
        point = reference.TransformIndexToPhysicalPoint(index)
        expected = seen.TransformPhysicalPointToContinuousIndex(point)
        found = [p[i] for p, i in zip(positions, index, strict=True)]
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_positions_refuse_other_axes():
    image = image_of(np.zeros((4, 4, 4), np.int16))
    turned = image_of(np.zeros((4, 4, 4), np.int16), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
    with pytest.raises(ValueError, match="axes differ"):
        image.grid.positions(turned.grid)


def test_the_covering_grid_is_in_step_and_has_every_voxel_inside_the_image():
    image = image_of(np.ones((30, 31, 9), np.int16))
    image.voxels[3, 4, 5] = 1
    grid = network_grid(image, settings(crop="foreground"))
    original = image.grid
    covering, start = covering_grid(original, grid)
    np.testing.assert_allclose(covering.origin, grid.point(start))
    for positions, length in zip(original.positions(covering), original.size, strict=True):
        step = positions[1] - positions[0]
        assert positions[0] >= -1e-9
        assert positions[0] - step < 0
        assert positions[-1] <= length - 1 + 1e-9
        assert positions[-1] + step > length - 1


def test_the_box_and_the_centre_of_mass_see_what_is_not_zero():
    volume = np.zeros((9, 8, 7))
    assert bounding_box(volume, margin=2) == (slice(0), slice(0), slice(0))
    volume[2, 3:5, 6] = -1
    assert bounding_box(volume) == (slice(2, 3), slice(3, 5), slice(6, 7))
    assert bounding_box(volume, margin=1) == (slice(1, 4), slice(2, 6), slice(5, 7))
    assert centre_of_mass(volume) == (2, 3, 6)


def place(length, size, old, new, crop="snap"):
    """Where the voxels of a grid lie along x, in voxels of the image."""
    image = image_of(np.zeros((length, 3, 3), np.uint8), spacing=(old, 1.0, 1.0))
    chosen = Preprocessing.from_dict({"spacing": [new, 1, 1], "size": [size, 3, 3], "crop": crop})
    return image.grid.positions(network_grid(image, chosen))[0]


sizes = st.integers(1, 40)


@given(sizes, sizes, st.sampled_from([0.7, 1.0, 1.3671875]), st.sampled_from([0, 4e-4, -4e-4]))
def test_snap_puts_the_grid_on_the_voxels_of_the_image_in_its_middle(length, size, old, error):
    positions = place(length, size, old, old * (1 + error))
    np.testing.assert_array_equal(np.diff(positions), 1)
    np.testing.assert_array_equal(positions, np.rint(positions))
    assert abs((positions[0] + positions[-1]) / 2 - (length - 1) / 2) <= 0.5


@given(sizes, sizes, st.integers(2, 5))
def test_snap_has_every_native_slice_on_a_finer_grid(length, size, steps):
    positions = place(length, size, 10.0, 10.0 / steps)
    on_voxels = positions * steps
    np.testing.assert_allclose(on_voxels, np.rint(on_voxels), atol=1e-9)
    inside = [k for k in range(length) if positions[0] - 1e-9 <= k <= positions[-1] + 1e-9]
    assert all(np.abs(positions - k).min() < 1e-9 for k in inside)


@given(sizes.filter(lambda n: n > 1), sizes, st.sampled_from([1.5, 2.0, 0.75]))
def test_snap_keeps_the_centre_where_the_spacing_differs(length, size, new):
    snapped, centred = (place(length, size, 1.0, new, crop) for crop in ("snap", "center"))
    np.testing.assert_array_equal(snapped, centred)


@given(sizes, sizes)
def test_center_is_the_papers_grid_half_a_voxel_off_or_not(length, size):
    positions = place(length, size, 1.0, 1.0, "center")
    assert positions[0] == pytest.approx((length - size) / 2, abs=1e-9)


@pytest.mark.parametrize("crop", ["center", "snap", "label", "foreground"])
@pytest.mark.parametrize("slices", [1, 6, 7, 18])
def test_a_native_axis_keeps_the_slices_of_each_image(crop, slices):
    array = np.ones((20, 20, slices), np.int16)
    image = image_of(array, spacing=(1.5, 1.5, 6.5))
    chosen = Preprocessing.from_dict(
        {"spacing": [3, 3, "native"], "size": [8, 8, 12], "crop": crop}
    )
    grid = network_grid(image, chosen, image)
    assert grid.spacing == pytest.approx((3, 3, 6.5))
    positions = image.grid.positions(grid)[2]
    np.testing.assert_array_equal(positions, np.rint(positions))
    assert np.isin(np.arange(slices), positions).sum() == min(slices, 12)

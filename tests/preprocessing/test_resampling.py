import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates
from threadpoolctl import threadpool_limits

from dicegrad.preprocessing.grids import Grid
from dicegrad.preprocessing.resampling import (
    antialiasing_sigma,
    resample_image,
    resample_label,
    sampling_matrix,
    signed_distances,
)

AXES = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)
OBLIQUE = tuple(np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, -1.0]]).ravel())


def centred(size, spacing, direction=AXES):
    axes = np.reshape(direction, (3, 3))
    origin = -axes @ ((np.array(size) - 1) / 2 * spacing)
    return Grid(size, spacing, tuple(origin), direction)


def ball(grid, radius, centre=(0, 0, 0)):
    index = np.indices(grid.size).transpose(1, 2, 3, 0)
    points = index * grid.spacing + np.array(grid.origin) - centre
    return np.linalg.norm(points, axis=-1) < radius


@pytest.mark.parametrize("spacing", [(3.1, 2.7, 5.0), (0.9, 1.0, 2.5), (1.5, 1.25, 8.0)])
def test_an_image_is_resampled_as_simpleitk_does_it(spacing):
    original = centred((21, 24, 9), (1.5, 1.25, 8.0), OBLIQUE)
    grid = centred((9, 10, 8), spacing, OBLIQUE)
    volume = np.random.default_rng(0).normal(100, 30, original.size).astype(np.float32)
    image = sitk.GetImageFromArray(volume.T)
    image.CopyInformation(original.reference())
    expected = sitk.GetArrayFromImage(sitk.Resample(image, grid.reference())).T
    resampled, mask = resample_image(volume, original, grid, antialias=False)
    assert mask.any()
    np.testing.assert_allclose(resampled[mask], expected[mask], rtol=1e-5, atol=1e-3)
    assert not resampled[~mask].any()


def test_antialiasing_is_a_gaussian_before_linear_interpolation():
    original, grid = centred((24, 22, 20), (1.0, 1.0, 1.0)), centred((9, 9, 16), (2.0, 2.0, 1.0))
    volume = np.random.default_rng(1).normal(size=original.size)
    assert antialiasing_sigma(0.5) == pytest.approx(0.5)
    smooth = gaussian_filter(volume, [0.5, 0.5, 0], mode="nearest")
    points = np.meshgrid(*original.positions(grid), indexing="ij")
    expected = map_coordinates(smooth, points, order=1, mode="nearest")
    resampled, mask = resample_image(volume, original, grid)
    assert mask.all()
    np.testing.assert_allclose(resampled, expected, atol=1e-5)


def test_beyond_the_first_and_last_slice_is_outside():
    original, grid = centred((8, 8, 3), (1.0, 1.0, 10.0)), centred((8, 8, 12), (1.0, 1.0, 2.5))
    image, mask = resample_image(np.ones(original.size), original, grid)
    # Slice centres at -10, 0, 10 mm; the grid's at -13.75, -11.25, -8.75, ...
    assert mask.all(axis=(0, 1)).tolist() == [False] * 2 + [True] * 8 + [False] * 2
    np.testing.assert_allclose(image, mask)
    for method in ("distance", "linear", "nearest"):
        label = np.ones(original.size, np.uint8)
        np.testing.assert_array_equal(resample_label(label, original, grid, 1, method), mask)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["distance", "linear", "nearest"]))
def test_a_label_map_on_its_own_grid_stays_as_it_is(seed, method):
    grid = centred((5, 6, 4), (1.5, 1.25, 8.0))
    label = np.random.default_rng(seed).integers(0, 4, grid.size).astype(np.uint8)
    np.testing.assert_array_equal(resample_label(label, grid, grid, 3, method), label)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2]))
def test_resampling_by_distance_has_no_sense_of_direction(seed, axis):
    original, grid = centred((7, 6, 5), (1.5, 1.5, 8.0)), centred((9, 8, 7), (1.25, 1.25, 3.0))
    label = np.random.default_rng(seed).integers(0, 3, original.size).astype(np.uint8)
    there = resample_label(label, original, grid, 2)
    mirrored = resample_label(np.flip(label, axis), original, grid, 2)
    np.testing.assert_array_equal(np.flip(mirrored, axis), there)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["distance", "linear"]))
def test_no_class_appears_where_all_neighbours_are_background(seed, method):
    original, grid = centred((9, 9, 5), (1.0, 1.0, 4.0)), centred((12, 12, 12), (0.7, 0.7, 1.5))
    label = (np.random.default_rng(seed).random(original.size) < 0.05).astype(np.uint8)
    resampled = resample_label(label, original, grid, 1, method, antialias=False)
    reach, _ = resample_image(label, original, grid, antialias=False)
    assert not resampled[reach == 0].any()


def test_signed_distances_go_to_points_half_way_between_voxels():
    spacing = np.array([1.5, 1.25, 8.0])
    label = np.random.default_rng(2).integers(0, 3, (5, 6, 4))
    distances = signed_distances(label, 2, spacing)
    voxels = np.indices(label.shape).reshape(3, -1).T
    for k in range(3):
        mask = label == k
        surface = []
        for axis in range(3):
            crossing = np.argwhere(np.diff(mask, axis=axis)).astype(float)
            crossing[:, axis] += 0.5
            surface.append(crossing)
        gaps = (voxels[:, None] - np.concatenate(surface)[None]) * spacing
        expected = np.linalg.norm(gaps, axis=-1).min(axis=1).reshape(label.shape)
        np.testing.assert_allclose(distances[k], np.where(mask, -expected, expected), atol=1e-9)


def test_a_class_without_surface_is_far_away_and_never_wins():
    distances = signed_distances(np.ones((3, 3, 3), int), 2, (1, 1, 1))
    assert (distances[1] == -1000).all()
    assert (distances[[0, 2]] == 1000).all()


def test_background_wins_where_distances_tie():
    original = centred((4, 4, 2), (1.0, 1.0, 1.0))
    grid = centred((4, 4, 3), (1.0, 1.0, 0.5))
    label = np.zeros(original.size, np.uint8)
    label[:, :, 1] = 1
    # The plane between the slices is as far inside the class as inside the background.
    assert resample_label(label, original, grid, 1)[0, 0].tolist() == [0, 0, 1]


@pytest.mark.parametrize("method", ["distance", "linear", "nearest"])
def test_a_ball_keeps_its_volume_and_its_shell_its_place(method):
    original, grid = centred((40, 40, 20), (1.0, 1.0, 2.0)), centred((24, 24, 24), (1.5,) * 3)
    label = ball(original, 15) + ball(original, 9).astype(np.uint8)
    resampled = resample_label(label, original, grid, 2, method)
    truth = ball(grid, 15) + ball(grid, 9).astype(np.uint8)
    assert (resampled == truth).mean() > 0.97
    for k in (1, 2):
        volume = (label == k).sum() * 2.0
        assert (resampled == k).sum() * 1.5**3 == pytest.approx(volume, rel=0.06)


def test_a_linear_label_becomes_the_class_from_one_half_up():
    original, grid = centred((2, 1, 1), (1.0,) * 3), centred((3, 1, 1), (0.5, 1, 1))
    label = np.array([0, 1], np.uint8).reshape(2, 1, 1)
    resampled = resample_label(label, original, grid, 1, "linear")
    assert resampled.ravel().tolist() == [0, 1, 1]


@given(st.lists(st.floats(-3, 12), min_size=1, max_size=8), st.sampled_from([0.0, 0.5, 0.87, 2.0]))
def test_weights_sum_to_one_inside_and_to_nothing_outside(positions, sigma):
    positions = np.array(positions)
    matrix = sampling_matrix(positions, 10, sigma)
    inside = (positions >= -1e-6) & (positions <= 9 + 1e-6)
    np.testing.assert_allclose(matrix.sum(axis=1), inside, atol=1e-12)
    assert (matrix >= 0).all()


def test_a_grid_that_misses_the_volume_is_empty():
    original = centred((4, 4, 4), (1.0,) * 3)
    far = Grid((3, 3, 3), (1.0,) * 3, (100.0, 0.0, 0.0), AXES)
    image, mask = resample_image(np.ones(original.size), original, far)
    assert not image.any()
    assert not mask.any()
    assert not resample_label(np.ones(original.size, np.uint8), original, far, 1).any()


def test_the_number_of_threads_changes_no_bit():
    old = centred((166, 107, 12), (1, 1, 4))
    new = centred((52, 45, 10), (3, 2.4, 4.8))
    volume = np.random.default_rng(0).normal(size=old.size).astype(np.float32)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            found.append(resample_image(volume, old, new)[0])
    np.testing.assert_array_equal(*found)

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates
from threadpoolctl import threadpool_limits

from dicegrad.prediction.restoration import restore
from dicegrad.preprocessing.grids import Grid, network_grid
from dicegrad.preprocessing.resampling import (
    antialiasing_sigma,
    resample_image,
    resample_label,
    sampling_matrix,
    signed_distances,
)
from dicegrad.preprocessing.settings import Preprocessing
from tests.volumes import image_on, volume_on

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
    image.CopyInformation(image_on(original))
    expected = sitk.GetArrayFromImage(sitk.Resample(image, image_on(grid))).T
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
    for method in ("distance", "linear"):
        label = np.ones(original.size, np.uint8)
        np.testing.assert_array_equal(resample_label(label, original, grid, 1, method), mask)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["distance", "linear"]))
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


def snapped(size, original, spacing):
    """The grid of `crop: snap` on an image's grid."""
    settings = Preprocessing.from_dict({"spacing": spacing, "size": size, "crop": "snap"})
    return network_grid(volume_on(original), settings)


lengths = st.tuples(*[st.integers(4, 14)] * 3)


@given(st.integers(0, 2**32 - 1), lengths, st.tuples(*[st.integers(0, 5)] * 3), st.booleans())
def test_under_snap_a_label_at_native_spacing_comes_back_unchanged(seed, size, more, linear):
    original = centred(size, (1.0, 1.25, 6.5), OBLIQUE)
    grid = snapped(np.add(size, more).tolist(), original, [1.0, 1.25, "native"])
    label = np.random.default_rng(seed).integers(0, 4, size).astype(np.uint8)
    method = "linear" if linear else "distance"
    there = resample_label(label, original, grid, 3, method, ties="shared")
    np.testing.assert_array_equal(np.bincount(there.ravel())[1:], np.bincount(label.ravel())[1:])
    np.testing.assert_array_equal(restore(there, grid, original), label)


@pytest.mark.parametrize("image", [39, 40])
@pytest.mark.parametrize("size", [40, 41])
@pytest.mark.parametrize("crop", ["center", "snap"])
def test_snap_keeps_the_volume_at_native_spacing_whatever_the_parity(image, size, crop):
    original = centred((image,) * 3, (1.0,) * 3)
    label = ball(original, 6, (0.3, 0.1, 0)) + ball(original, 4, (0.3, 0.1, 0)).astype(np.uint8)
    settings = Preprocessing.from_dict({"spacing": [1] * 3, "size": [size] * 3, "crop": crop})
    grid = network_grid(volume_on(original), settings)
    there = resample_label(label, original, grid, 2, ties=settings.ties)
    kept = np.bincount(there.ravel())[1:] / np.bincount(label.ravel())[1:]
    if crop == "snap" or (image - size) % 2 == 0:
        assert kept.tolist() == [1, 1]
    else:  # the paper's rule, which is why there is another
        assert (kept < 0.95).any()


@given(st.tuples(*[st.floats(-1, 1)] * 3), st.integers(0, 2))
def test_half_a_voxel_off_shared_ties_keep_the_volume_that_background_takes(centre, axis):
    original = centred((36,) * 3, (1.0,) * 3)
    grid = Grid(original.size, original.spacing, original.point(np.eye(3)[axis] / 2), AXES)
    label = ball(original, 9, centre).astype(np.uint8)
    kept = [
        np.count_nonzero(resample_label(label, original, grid, 1, ties=ties))
        / np.count_nonzero(label)
        for ties in ("shared", "background")
    ]
    assert kept[0] == pytest.approx(1, abs=0.02)
    assert kept[1] < 0.95


@pytest.mark.parametrize("method", ["distance", "linear"])
def test_shared_ties_are_shared_between_the_classes(method):
    original, grid = centred((8, 8, 2), (1.0, 1.0, 1.0)), centred((8, 8, 3), (1.0, 1.0, 0.5))
    label = np.ones(original.size, np.uint8)
    label[:, :, 1] = 2
    resampled = resample_label(label, original, grid, 2, method, ties="shared")
    assert (resampled[:, :, 0] == 1).all()
    assert (resampled[:, :, 2] == 2).all()
    # Neither row nor column is more of one class than of the other.
    between = resampled[:, :, 1] == 2
    assert (between.sum(axis=0) == 4).all()
    assert (between.sum(axis=1) == 4).all()


def test_a_label_resampled_linearly_with_shared_ties_is_background_outside():
    original, grid = centred((6, 6, 3), (1.0, 1.0, 4.0)), centred((6, 6, 12), (1.0, 1.0, 1.0))
    full = np.ones(original.size, np.uint8)
    resampled = resample_label(full, original, grid, 1, "linear", ties="shared")
    _, inside = resample_image(np.ones(original.size), original, grid)
    np.testing.assert_array_equal(resampled, inside)


@pytest.mark.parametrize("method", ["distance", "linear"])
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

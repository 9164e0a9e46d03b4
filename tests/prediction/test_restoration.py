import resource

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from dicegrad.data.volumes import read_header, write_volume
from dicegrad.errors import InputError
from dicegrad.prediction.restoration import (
    restore,
    soft_volumes,
    to_raw_values,
    write_prediction,
)
from dicegrad.preprocessing.grids import Grid, network_grid
from dicegrad.preprocessing.resampling import resample_label
from dicegrad.preprocessing.settings import Preprocessing
from tests.volumes import grid_of, image_on, volume_on

OBLIQUE = tuple(np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, -1.0]]).ravel())


def case_image(size=(30, 34, 7), spacing=(1.5, 1.25, 8.0)):
    return volume_on(Grid(size, spacing, (-30.0, 12.0, 5.0), OBLIQUE))


def heart(size):
    x, y, _ = np.indices(size)
    radius = np.hypot((x - size[0] / 2) * 1.2, y - size[1] / 2)
    return np.select([radius < 5, radius < 9], [1, 2], 0).astype(np.uint8)


def placed(image, **values):
    return network_grid(image, Preprocessing.from_dict(values))


def test_a_label_map_comes_back_where_the_grid_already_fits():
    image = case_image()
    grid = placed(image, spacing=image.grid.spacing, size=image.grid.size)
    label = heart(image.grid.size)
    for method in ("linear", "nearest"):
        there = resample_label(label, image.grid, grid, 2)
        back = restore(there, grid, image.grid, method)
        np.testing.assert_array_equal(back, label)


@pytest.mark.parametrize("slices", [6, 7, 9])
def test_a_label_map_comes_back_from_a_finer_grid_to_the_first_and_last_slice(slices):
    image = case_image((30, 34, slices))
    grid = placed(image, spacing=[1.0, 1.0, 2.5], size=[48, 46, 32])
    label, original = heart(image.grid.size), image.grid
    back = restore(resample_label(label, original, grid, 2), grid, original)
    for k in (1, 2):
        for z in range(slices):
            both = ((back == k) & (label == k))[..., z].sum()
            dsc = 2 * both / ((back == k)[..., z].sum() + (label == k)[..., z].sum())
            assert dsc > 0.93


def test_what_lies_beyond_the_crop_is_background():
    image = case_image()
    grid = placed(image, spacing=[1.5, 1.25, 8.0], size=[10, 10, 3])
    back = restore(np.full((10, 10, 3), 1, np.uint8), grid, image.grid)
    assert back.sum() == 300
    assert back[10:20, 12:22, 2:5].all()


def test_probabilities_are_interpolated_and_the_largest_wins():
    grid = Grid((2, 1, 1), (3.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    original = Grid((4, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), grid.direction)
    probabilities = np.zeros((3, 2, 1, 1), np.float32)
    probabilities[:, 0, 0, 0] = [0.1, 0.9, 0.0]
    probabilities[:, 1, 0, 0] = [0.3, 0.0, 0.7]
    # At one third: .167, .6, .233; at two thirds: .233, .3, .467.
    assert restore(probabilities, grid, original).ravel().tolist() == [1, 1, 2, 2]
    assert restore(probabilities, grid, original, "nearest").ravel().tolist() == [1, 1, 2, 2]


@given(st.integers(0, 2**32 - 1))
def test_restoring_is_the_argmax_on_the_same_grid(seed):
    image = case_image((6, 5, 4))
    grid = image.grid
    probabilities = np.random.default_rng(seed).dirichlet([1, 1, 1], grid.size)
    probabilities = np.moveaxis(probabilities, -1, 0).astype(np.float32)
    np.testing.assert_array_equal(restore(probabilities, grid, grid), probabilities.argmax(axis=0))


def test_slices_that_the_network_saw_only_outside_the_image_are_not_used():
    image = case_image((8, 8, 3))
    grid = placed(image, spacing=[1.5, 1.25, 2.5], size=[8, 8, 16])
    probabilities = np.zeros((2, *grid.size), np.float32)
    inside = np.abs(np.arange(16) - 7.5) * 2.5 <= 8
    probabilities[1, ..., inside] = 1
    probabilities[0, ..., ~inside] = 1
    assert restore(probabilities, grid, image.grid).all()


def test_a_soft_volume_is_the_sum_of_the_probabilities_on_the_original_grid():
    image = case_image((12, 10, 6), (1.0, 1.0, 1.0))
    grid, original = placed(image, spacing=[2, 2, 2], size=[4, 4, 2]), image.grid
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], grid.size)
    probabilities = np.moveaxis(probabilities, -1, 0).astype(np.float32)
    nearest = [np.round(p).astype(int) for p in grid.positions(original)]
    total = np.zeros(2)
    for x, y, z in np.ndindex(original.size):
        index = nearest[0][x], nearest[1][y], nearest[2][z]
        if all(0 <= i < n for i, n in zip(index, grid.size, strict=True)):
            total += probabilities[(slice(1, None), *index)]
    volumes = soft_volumes(probabilities, grid, original, "nearest")
    np.testing.assert_allclose(volumes, total / 1000, rtol=1e-5)  # voxels of 1 mm^3


def test_the_soft_volume_of_a_label_map_on_its_own_grid_is_its_volume():
    image = case_image()
    label, grid = heart(image.grid.size), image.grid
    one_hot = label == np.arange(3)[:, None, None, None]
    expected = [np.sum(label == k) * 1.5 * 1.25 * 8 / 1000 for k in (1, 2)]
    np.testing.assert_allclose(soft_volumes(one_hot, grid, grid), expected)


def test_raw_values_are_the_datasets_own():
    label = np.arange(4, dtype=np.uint8).reshape(4, 1, 1)
    values = {"LV": (3,), "MYO": (2,), "RV": (1,)}
    assert to_raw_values(label, ["LV", "MYO", "RV"], values).ravel().tolist() == [0, 3, 2, 1]
    assert to_raw_values(label[:2], ["tumor"], {"tumor": (1, 2, 4)}).ravel().tolist() == [0, 1]
    assert to_raw_values(label[:2], ["x"], {"x": (300,)}).max() == 300


def test_simpleitk_and_nibabel_see_the_geometry_of_the_image(tmp_path):
    image = case_image()
    sitk.WriteImage(image_on(image.grid), tmp_path / "image.nii.gz")
    reference = read_header(tmp_path / "image.nii.gz")
    label = heart(image.grid.size)
    path = tmp_path / "predictions" / "case.nii.gz"
    write_prediction(path, label, ["LV", "MYO"], {"LV": (3,), "MYO": (2,)}, reference)
    assert [p.name for p in path.parent.iterdir()] == ["case.nii.gz"]
    ours, theirs = nib.load(path), nib.load(tmp_path / "image.nii.gz")
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-5)
    expected = np.array([0, 3, 2], np.uint8)[label]
    np.testing.assert_array_equal(np.asarray(ours.dataobj), expected)
    assert ours.get_data_dtype() == np.uint8
    assert read_header(path) == read_header(tmp_path / "image.nii.gz")
    assert read_header(path).grid == grid_of(sitk.ReadImage(tmp_path / "image.nii.gz"))


@pytest.mark.parametrize("room", [0, 1000])
def test_a_volume_that_the_disk_has_no_room_for_is_refused_and_leaves_no_file(tmp_path, room):
    image = case_image()
    volume = np.random.default_rng(0).random(image.grid.size, np.float32)  # nothing to compress
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(InputError, match=r"x.nii.gz: could not be written .*; free some space"):
            write_volume(tmp_path / "x.nii.gz", volume, image.header)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())

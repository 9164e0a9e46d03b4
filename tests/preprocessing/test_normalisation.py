import numpy as np
import pytest

from dicegrad.preprocessing.normalisation import clip_quantiles, lost_contrast, normalise, zscore
from dicegrad.preprocessing.settings import Normalisation


@pytest.fixture
def volume():
    rng = np.random.default_rng(0)
    volume = rng.normal(300, 50, (8, 9, 10)).astype(np.float32)
    mask = np.ones(volume.shape, bool)
    mask[..., 0] = False
    volume[~mask] = 0
    volume[0] = 0
    return volume, mask


def test_over_the_whole_volume_outside_ends_at_minus_mean_over_std(volume):
    values, mask = volume
    result = zscore(values, "whole")
    assert result.mean() == pytest.approx(0, abs=1e-5)
    assert result.std(ddof=1) == pytest.approx(1, abs=1e-5)
    expected = -values.mean(dtype=float) / values.std(dtype=float, ddof=1)
    np.testing.assert_allclose(result[~mask], expected, rtol=1e-5)


def test_other_voxels_become_0(volume):
    values, _ = volume
    result = zscore(values, "nonzero")
    chosen = values != 0
    assert result[chosen].mean() == pytest.approx(0, abs=1e-5)
    assert result[chosen].std(ddof=1) == pytest.approx(1, abs=1e-5)
    assert not result[~chosen].any()


def test_quantiles_are_matlabs():
    # MATLAB: quantile([1 2 3 4 5], 0.3) is 2, quantile([1 2 3 4 5], 0.8) is 4.5.
    values = np.array([1, 2, 3, 4, 5, 99], np.float32).reshape(6, 1, 1)
    mask = values < 99
    clipped = clip_quantiles(values, mask, (0.3, 0.8))
    assert clipped.ravel().tolist() == [2, 2, 3, 4, 4.5, 0]


def test_clipping_comes_before_the_score(volume):
    values, mask = volume
    values[3, 3, 3] = 1e6
    result = normalise(values, mask, Normalisation("whole", (1 / 101, 100 / 101)))
    assert result.max() < 3
    assert result.dtype == np.float32


@pytest.mark.parametrize("over", ["whole", "nonzero"])
@pytest.mark.parametrize("value", [0, 7])
def test_a_volume_without_contrast_becomes_0(over, value):
    volume = np.full((3, 3, 3), value, np.float32)
    assert not zscore(volume, over).any()


def test_a_window_means_the_same_in_every_image(volume):
    values, mask = volume
    settings = Normalisation.from_dict({"window": [250, 350], "mean": 300, "std": 25})
    result = normalise(values, mask, settings)
    np.testing.assert_allclose(result[~mask], -2)
    np.testing.assert_allclose(
        result[mask], (np.clip(values[mask], 250, 350) - 300) / 25, atol=1e-5
    )
    assert result.dtype == np.float32


def lost(voxels, settings=None):
    before = np.asarray(voxels, np.float32)
    mask = np.ones(before.shape, bool)
    after = normalise(before, mask, settings or Normalisation())
    return lost_contrast(before, after.astype(np.float16), mask)


def test_an_image_of_one_value_or_flattened_by_single_voxels_is_told(volume):
    values, _ = volume
    image = np.tile(values[1:, :, 1:], (2, 2, 2))
    assert lost(image) == ""
    assert lost(np.zeros((4, 4, 4))).startswith("has no contrast on the grid, where every voxel is")
    noise = np.float32(37) * (1 + np.random.default_rng(0).integers(-2, 3, (9, 9, 9)) * 1e-7)
    assert "every voxel is 37" in lost(noise)  # what interpolation makes of one value
    image[3, 3, 3] = 1e30
    assert lost(image).startswith("has one value in 999 of 1000 voxels after normalisation")
    image[3, 3, 3] = np.finfo(np.float32).max
    image[4, 4, 4] = -image[3, 3, 3]
    assert "goes from -3.40282e+38 to 3.40282e+38" in lost(image)
    window = Normalisation(window=(5000.0, 6000.0), mean=5500.0, std=100.0)
    assert "after normalisation" in lost(np.tile(values[1:, :, 1:], (2, 2, 2)), window)


def test_a_mask_as_a_channel_and_a_bright_spot_are_no_doubt():
    mask = np.zeros((20, 20, 20))
    mask[3, 3, 3] = 1
    assert lost(mask) == ""
    spot = np.random.default_rng(0).normal(100, 5, (20, 20, 20))
    spot[3, 3, 3] = 30000
    assert lost(spot) == ""
    assert lost(np.tile(spot, (1, 2, 2))) == ""  # of which a sample is looked at
    spot[3, 3, 3] = 1e30
    assert "after normalisation" in lost(np.tile(spot, (1, 2, 2)))

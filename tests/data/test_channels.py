"""A file of several channels, as the Medical Segmentation Decathlon gives them out."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from dicegrad.data.checks import header_problems
from dicegrad.data.volumes import read_channels, read_header, read_volume
from dicegrad.errors import InputError

VOXELS = np.random.default_rng(0).integers(-99, 999, (7, 6, 5, 3)).astype(np.int16)
AFFINE = np.diag([-1.0, 2.0, 3.0, 1.0])


@pytest.fixture
def whole(tmp_path):
    nib.save(nib.Nifti1Image(VOXELS, AFFINE), tmp_path / "whole.nii.gz")
    return tmp_path / "whole.nii.gz"


def test_each_channel_of_a_4d_file_lies_where_a_file_of_its_own_would(whole, tmp_path):
    channels = read_channels([whole] * 3)
    for number, channel in enumerate(channels):
        path = tmp_path / f"{number}.nii.gz"
        nib.save(nib.Nifti1Image(VOXELS[..., number], AFFINE), path)
        alone = read_volume(path)
        assert channel.header == alone.header == read_header(whole, 3)
        assert channel.voxels.flags.f_contiguous
        np.testing.assert_array_equal(channel.voxels, alone.voxels)


def test_scaled_channels_are_scaled_alike(whole, tmp_path):
    image = nib.Nifti1Image(VOXELS, AFFINE)
    image.header.set_slope_inter(0.5, 3)
    nib.save(image, tmp_path / "scaled.nii.gz")
    channels = read_channels([tmp_path / "scaled.nii.gz"] * 3)
    expected = nib.load(tmp_path / "scaled.nii.gz").get_fdata()
    for number, channel in enumerate(channels):
        np.testing.assert_allclose(channel.voxels, expected[..., number], rtol=1e-6)


def test_channels_that_itk_wrote_along_the_fifth_axis_are_read(tmp_path):
    path = tmp_path / "vector.nii.gz"
    image = sitk.GetImageFromArray(VOXELS.transpose(2, 1, 0, 3), isVector=True)
    sitk.WriteImage(image, str(path))
    for number, channel in enumerate(read_channels([path] * 3)):
        np.testing.assert_array_equal(channel.voxels, VOXELS[..., number])


def test_the_order_is_that_of_the_paths(whole, tmp_path):
    nib.save(nib.Nifti1Image(VOXELS[..., 0], AFFINE), tmp_path / "one.nii.gz")
    nib.save(nib.Nifti1Image(VOXELS[..., 1:], AFFINE), tmp_path / "two.nii.gz")
    two, one = tmp_path / "two.nii.gz", tmp_path / "one.nii.gz"
    found = [channel.voxels for channel in read_channels([two, one, two])]
    np.testing.assert_array_equal(np.stack(found, axis=3), VOXELS[..., [1, 0, 2]])


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        (2, r"holds 3 volumes, shape \(7, 6, 5, 3\), for 2 channels; give one file a channel"),
        (1, r"shape is \(7, 6, 5, 3\), 4-D; give one 3-D volume per file"),
    ],
)
def test_another_number_of_channels_is_refused(whole, channels, said):
    with pytest.raises(InputError, match=said):
        read_channels([whole] * channels)
    with pytest.raises(InputError, match=said):
        read_header(whole, channels)
    assert len(list(header_problems([whole] * channels))) == 1


def test_one_volume_does_not_serve_as_two_channels(tmp_path):
    nib.save(nib.Nifti1Image(VOXELS[..., 0], AFFINE), tmp_path / "one.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS[..., 0]), str(tmp_path / "one.mha"))
    for name in ("one.nii.gz", "one.mha"):
        with pytest.raises(InputError, match=f"{name}: holds one volume, .* for 2 channels"):
            read_channels([tmp_path / name] * 2)

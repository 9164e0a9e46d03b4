"""A header of a MetaImage file says what it means, or is refused with the field."""

import numpy as np
import pytest
import SimpleITK as sitk

from dicegrad.data.metaimage import read_stored
from dicegrad.data.volumes import read_header, read_volume
from tests.conftest import refusal

VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


def written(path, old="", new="", ending=".mha"):
    """A file of which a part of the header is another."""
    image = sitk.GetImageFromArray(VOXELS)
    image.SetSpacing((2, 2, 5))
    image.SetMetaData("0008|0060", "MR")
    file = path / f"a{ending}"
    sitk.WriteImage(image, file)
    content = file.read_bytes()
    assert old.encode() in content
    file.write_bytes(content.replace(old.encode(), new.encode(), 1))
    return file


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("NDims = 3", "NDims = 11", "NDims is '11'; write the number of its dimensions"),
        ("NDims = 3\n", "", "its header has no NDims"),
        ("DimSize = 5 4 3", "DimSize = 5 4", "DimSize is '5 4'; write 3 numbers"),
        ("DimSize = 5 4 3", "DimSize = 5 4 0", "DimSize is '5 4 0'; write 3 whole numbers above"),
        ("DimSize = 5 4 3", "DimSize = 5 4 99999999999", "write 3 whole numbers above 0"),
        ("DimSize = 5 4 3", "DimSize = 5 4 3 3", "DimSize is '5 4 3 3'; write 3 numbers"),
        # ITK reads what stands behind: 8 mm.
        ("ElementSpacing = 2 2 5", "ElementSpacing = 2 2", "ElementSpacing is '2 2'; write 3"),
        # ITK reads 2 mm.
        ("ElementSpacing = 2", "ElementSpacing = -2", "ElementSpacing is '-2 2 5'; write 3"),
        ("ElementSpacing = 2", "ElementSpacing = nan", "write 3 numbers"),
        ("ElementSpacing = 2", "ElementSpacing = 2,0", "write 3 numbers"),
        # ITK passes over it and takes 1 mm.
        ("ElementSpacing", "ElementSpacin", "has 'ElementSpacin'; is ElementSpacing meant?"),
        ("ElementSpacing", "elementspacing", "has 'elementspacing'; is ElementSpacing meant?"),
        ("ElementSpacing", "DistanceUnits = um\nElementSpacing", "DistanceUnits is 'um'; write"),
        ("Offset = 0 0 0", "Offset = 0 0 1e9999", "Offset is '0 0 1e9999'; write 3 numbers"),
        ("Offset = 0 0 0", "Position = 1 2 3\nOffset = 0 0 0", "Position, Offset differ; keep"),
        ("Offset = 0 0 0", "Offset = 0 0 0\nOffset = 0 0 1", "gives 'Offset' twice; remove one"),
        ("1 0 0 0 1 0 0 0 1", "1 0 0 0 1 0 0 0", "TransformMatrix is '1 0 0 0 1 0 0 0'; write 9"),
        ("MET_SHORT", "MET_SHORT[]", "ElementType is 'MET_SHORT[]'; write a type"),
        ("CompressedData = False", "CompressedData = yes", "CompressedData is 'yes'; write True"),
        ("BinaryData = True", "BinaryData = False", "BinaryData is 'False'; write the voxels as"),
        # ITK takes text of the header for voxels.
        ("ElementType", "HeaderSize = 2\nElementType", "HeaderSize is '2'; write 0"),
        # ITK passes over both.
        ("ElementType", "ElementToIntensityFunctionSlope = 2\nElementType", "FunctionSlope is '2'"),
        ("ElementType", "ElementToIntensityFunctionOffset = 2\nElementType", "Offset is '2'"),
        ("ElementType", "nonsense\nElementType", "its header has 'nonsense', no 'key = value'"),
        ("ElementDataFile", "Element_Data", "its header has no ElementDataFile"),
    ],
)
def test_what_itk_would_misread_or_crash_at_is_refused(tmp_path, old, new, said):
    path = written(tmp_path, old, new)
    for reader in (read_header, read_volume):
        line = refusal(reader, path)
        assert line.startswith(f"{path}: ")
        assert said in line or (new == "Element_Data" and "its header has" in line)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("NDims = 3\n", "NDims = 3\r\n\r\n"),
        ("Offset = 0 0 0", "Offset: 0.0 -0 0e5"),
        ("Offset = 0 0 0", "Position = 0 0 0\nOffset = 0 0 0"),
        ("0008|0060 = MR", "Study_Description = Spacing of my own = 4"),
        ("CompressedData = False", "CompressedDataSize = 0\nCompressedData = F"),
        ("ElementType", "ElementSize = 2 2 4\nDistanceUnits = mm\nID = -1\nElementType"),
        ("ElementType", "ElementToIntensityFunctionSlope = 1.0\nElementType"),
    ],
)
def test_what_other_programs_write_is_read(tmp_path, old, new):
    volume = read_volume(written(tmp_path, old, new))
    assert volume.grid.spacing == (2, 2, 5)
    np.testing.assert_array_equal(volume.voxels, VOXELS.T)


def test_bytes_before_the_voxels_of_another_file_are_no_voxels(tmp_path):
    path = written(tmp_path, "ElementType", "HeaderSize = 100\nElementType", ending=".mhd")
    data = tmp_path / "a.raw"
    for reader in (read_header, read_volume):
        assert "truncated, 20 of 120 bytes of voxels" in refusal(reader, path)
    data.write_bytes(bytes(100) + data.read_bytes())
    np.testing.assert_array_equal(read_volume(path).voxels, VOXELS.T)


def test_a_header_says_where_its_voxels_are(tmp_path):
    content = written(tmp_path).read_bytes()
    stored = read_stored(content)
    assert content[stored.end :] == VOXELS.tobytes()
    assert (stored.data, stored.zipped, stored.skipped) == (None, False, 0)

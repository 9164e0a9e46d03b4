"""One reader and one writer: a file gives the right voxels in the right place, or one line."""

import ast
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

import dicegrad
from dicegrad.data.volumes import Header, read_header, read_volume, write_volume
from tests.conftest import refusal
from tests.nifti_files import AFFINE, NOISE, OBLIQUE, patched, save
from tests.volumes import grid_of


@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 1), (0, 2), (1, 1), (1, 2)])
@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE], ids=["straight", "oblique"])
def test_an_ordinary_file_lies_where_simpleitk_lays_it(tmp_path, affine, codes):
    path = save(tmp_path / "a.nii.gz", affine=affine, codes=codes)
    volume, image = read_volume(path), sitk.ReadImage(path)
    assert volume.grid == grid_of(image)
    assert read_header(path) == volume.header
    assert volume.header.placed == any(codes)
    np.testing.assert_array_equal(volume.voxels, sitk.GetArrayFromImage(image).T)


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", ">i2", ">i4"])
def test_whole_numbers_keep_their_type_in_either_byte_order(tmp_path, kind):
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    order = ">" if kind[0] == ">" else "<"
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(array.dtype)
    nib.Nifti1Image(array, AFFINE, header, dtype=array.dtype).to_filename(tmp_path / "a.nii.gz")
    voxels = read_volume(tmp_path / "a.nii.gz").voxels
    assert voxels.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(voxels, array)


def test_the_voxels_own_their_memory_and_outlive_the_volume(tmp_path):
    path = save(tmp_path / "a.nii.gz")
    voxels = read_volume(path).voxels  # of a volume that is gone at once
    filler = [np.full(NOISE.shape, 7, np.int16) for _ in range(200)]
    np.testing.assert_array_equal(voxels, NOISE)
    assert len(filler) == 200
    assert voxels.flags.writeable


def test_nan_and_infinity_arrive(tmp_path):
    array = NOISE.astype(np.float32)
    array[0, 0, 0], array[1, 0, 0] = np.nan, np.inf
    for ending in (".nii.gz", ".nii"):
        found = read_volume(save(tmp_path / f"a{ending}", array)).voxels
        np.testing.assert_array_equal(found, array)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    for ending in (".mha", ".nrrd"):
        sitk.WriteImage(image, tmp_path / f"a{ending}")
        np.testing.assert_array_equal(read_volume(tmp_path / f"a{ending}").voxels, array)


@pytest.mark.parametrize(("units", "factor"), [(0, 1), (2, 1), (10, 1), (1, 1000), (3, 0.001)])
def test_lengths_are_millimetres_whatever_the_units(tmp_path, units, factor):
    path = save(tmp_path / "a.nii.gz", affine=OBLIQUE, codes=(1, 1), xyzt_units=units)
    grid = read_header(path).grid
    assert grid.spacing == pytest.approx(np.multiply((1.5, 2, 4), factor))
    assert grid.origin == pytest.approx(np.multiply((-5, 3, 1), factor))


def test_a_negative_pixdim_is_a_positive_spacing(tmp_path):
    path = patched(save(tmp_path / "a.nii.gz", codes=(0, 0)), 76, "<4f", 1, -2, -2, 2)
    assert read_header(path).grid.spacing == (2, 2, 2)


@pytest.mark.parametrize("shear", [1e-7, 0.001, 0.003, 0.01])
def test_axes_a_little_off_right_angles_are_straightened(tmp_path, shear):
    affine = AFFINE.copy()
    affine[0, 1] = shear
    image = nib.Nifti1Image(NOISE, affine)
    image.to_filename(tmp_path / "a.nii.gz")
    axes = read_volume(tmp_path / "a.nii.gz").grid.axes
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-4)
    np.testing.assert_allclose(axes, np.diag([-1, -1, 1]), atol=shear)


def test_a_sheared_affine_is_refused(tmp_path):
    affine = AFFINE.copy()
    affine[0, 1] = 0.2
    nib.Nifti1Image(NOISE, affine).to_filename(tmp_path / "a.nii.gz")
    assert "axes of its sform are not at right angles" in refusal(
        read_header, tmp_path / "a.nii.gz"
    )


def test_nifti_2_is_read(tmp_path):
    path = save(tmp_path / "a.nii.gz", affine=OBLIQUE, kind=nib.Nifti2Image)
    twin = save(tmp_path / "b.nii.gz", affine=OBLIQUE)
    np.testing.assert_array_equal(read_volume(path).voxels, NOISE)
    assert read_header(path).grid == read_header(twin).grid


@pytest.mark.parametrize("shape", [(7, 6), (7, 6, 1), (7, 6, 1, 1)])
def test_two_dimensions_are_one_slice(tmp_path, shape):
    array = NOISE[:, :, 0].reshape(shape)
    nib.Nifti1Image(array, AFFINE).to_filename(tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.voxels, NOISE[:, :, :1])
    assert volume.grid.spacing == (2, 2, 2)


def test_a_volume_over_time_is_refused(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.stack([NOISE, NOISE], axis=3))
    for reader in (read_header, read_volume):
        assert "a.nii.gz: shape is (7, 6, 5, 2), 4-D; give one 3-D" in refusal(reader, path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ([("R", "u1"), ("G", "u1"), ("B", "u1")], "three components per voxel (RGB)"),
        ([("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")], "four components"),
        (np.complex64, "complex numbers"),
        (np.complex128, "complex numbers"),
    ],
)
def test_colours_and_complex_numbers_are_refused(tmp_path, kind, said):
    nib.Nifti1Image(np.zeros((3, 3, 3), kind), AFFINE).to_filename(tmp_path / "a.nii.gz")
    assert said in refusal(read_volume, tmp_path / "a.nii.gz")
    assert said in refusal(read_header, tmp_path / "a.nii.gz")


def test_two_forms_more_than_a_voxel_apart_are_refused_and_less_is_rounding(tmp_path):
    image = nib.Nifti1Image(NOISE, AFFINE)
    moved = AFFINE.copy()
    moved[:3, 3] = 0, 3, 4
    image.set_qform(AFFINE, 1)
    image.set_sform(moved, 2)
    image.to_filename(tmp_path / "a.nii.gz")
    line = refusal(read_header, tmp_path / "a.nii.gz")
    assert "its qform and sform lie in different places, the sform 5.0 mm off" in line
    moved[:3, 3] = 0, 0.5, 0
    image.set_sform(moved, 2)
    image.to_filename(tmp_path / "a.nii.gz")
    assert read_header(tmp_path / "a.nii.gz").grid.origin == (0, 0, 0)


@pytest.mark.parametrize("ending", [".mha", ".mhd", ".nrrd", ".nhdr"])
@pytest.mark.parametrize("squeezed", [True, False])
def test_other_formats_are_read_and_seen_to_be_whole(tmp_path, ending, squeezed):
    image = sitk.GetImageFromArray(np.ascontiguousarray(NOISE.T))
    image.SetSpacing((1.5, 2, 3))
    image.SetOrigin((4, 5, 6))
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(image, path, squeezed)
    volume = read_volume(path)
    assert volume.header == read_header(path) == Header(grid_of(image))
    np.testing.assert_array_equal(volume.voxels, NOISE)
    longest = max(tmp_path.iterdir(), key=lambda p: (p != path, p.stat().st_size))
    whole = longest.read_bytes()
    for kept in (len(whole) // 2, len(whole) - 30):
        longest.write_bytes(whole[:kept])
        for reader in (read_header, read_volume):
            assert str(path) in refusal(reader, path)


@pytest.mark.parametrize("field", [b"encoding: raw", b"kinds: domain domain domain", b"(0,0,1)"])
def test_a_line_of_a_nrrd_header_that_would_crash_itk_is_refused(tmp_path, field):
    path = tmp_path / "a.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.uint8)), path)
    path.write_bytes(path.read_bytes().replace(field, field + b"[" * 3000))
    for reader in (read_header, read_volume):
        assert "its header has a line of 30" in refusal(reader, path)


def test_lengths_that_itk_would_take_for_millimetres_are_refused(tmp_path):
    path = tmp_path / "a.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.uint8)), path)
    content = path.read_bytes()
    for unit, fits in (("um", False), ("mm", True)):
        line = f'space units: "{unit}" "{unit}" "{unit}"\nencoding'.encode()
        path.write_bytes(content.replace(b"encoding", line))
        if fits:
            assert read_volume(path).grid.size == (5, 4, 3)
        else:
            assert "its lengths are in 'um'; write them in mm" in refusal(read_header, path)


def test_a_picture_is_one_slice_without_a_place(tmp_path):
    picture = NOISE[:, :, 0].astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(np.ascontiguousarray(picture.T)), tmp_path / "a.png")
    volume = read_volume(tmp_path / "a.png")
    np.testing.assert_array_equal(volume.voxels[:, :, 0], picture)
    assert (volume.voxels.dtype, volume.header.placed) == (np.uint8, False)
    colours = np.zeros((4, 4, 3), np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(colours, isVector=True), tmp_path / "b.png")
    assert "3 components per voxel" in refusal(read_volume, tmp_path / "b.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    assert "a.png" in refusal(read_volume, tmp_path / "a.png")


@pytest.mark.parametrize("form", range(5))
@pytest.mark.parametrize("units", [2, 3])
def test_a_written_map_lies_where_its_image_lies_for_nibabel_and_simpleitk(tmp_path, form, units):
    codes = [(0, 0), (1, 0), (0, 2), (1, 1), (3, 4)][form]
    path = save(tmp_path / "a.nii.gz", affine=OBLIQUE, codes=codes, xyzt_units=units)
    label = (NOISE > 0).astype(np.uint8)
    write_volume(tmp_path / "b.nii.gz", label, read_header(path))
    image, written = nib.load(path), nib.load(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(written.affine, image.affine)
    for field in ("qform_code", "sform_code", "xyzt_units", "pixdim", "srow_x", "quatern_b"):
        np.testing.assert_array_equal(written.header[field], image.header[field])
    np.testing.assert_array_equal(np.asarray(written.dataobj), label)
    assert written.get_data_dtype() == np.uint8
    assert grid_of(sitk.ReadImage(tmp_path / "b.nii.gz")) == grid_of(sitk.ReadImage(path))
    assert read_header(tmp_path / "b.nii.gz") == read_header(path)
    assert Header.from_json(read_header(path).to_json()) == read_header(path)


def test_a_map_of_an_image_that_is_no_nifti_lies_where_simpleitk_lays_the_image(tmp_path):
    image = sitk.GetImageFromArray(np.ascontiguousarray(NOISE.T))
    image.SetSpacing((1.5, 2, 3))
    image.SetOrigin((4, 5, 6))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    sitk.WriteImage(image, tmp_path / "a.mha")
    write_volume(tmp_path / "b.nii.gz", NOISE, read_header(tmp_path / "a.mha"))
    assert grid_of(sitk.ReadImage(tmp_path / "b.nii.gz")) == grid_of(image)
    affine = nib.load(tmp_path / "b.nii.gz").affine
    np.testing.assert_allclose(affine[:, 3], [-4, -5, 6, 1])


def test_no_other_module_reads_volumes_by_itself():
    allowed = {"data/forms.py", "data/nifti.py", "data/volumes.py", "data/itk_process.py"}
    package = Path(dicegrad.__file__).parent
    found = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            named += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if {name.split(".")[0] for name in named} & {"nibabel", "SimpleITK"}:
                found.add(file.relative_to(package).as_posix())
    assert found <= allowed

"""Images in any orientation give the same arrays, and maps that overlay each image."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from dicegrad.data.acdc import ACDC
from dicegrad.data.adapter import Case
from dicegrad.data.volumes import Header, read_volume, write_volume
from dicegrad.prediction.ceiling import case_ceiling
from dicegrad.prediction.restoration import restore, soft_volumes, write_prediction
from dicegrad.preprocessing.prepare import prepare_case
from dicegrad.preprocessing.settings import Preprocessing

CLASSES = ("LV", "MYO", "RV")
SETTINGS = Preprocessing.from_dict(
    {"spacing": [2, 2, 4], "size": [32, 32, 8], "crop": "center", "orientation": "RAS"}
)
TURNED = ("RAS", "LPS", "ASL", "PIR")


def heart():
    """An image and a label map of three balls that no turn takes to themselves."""
    x, y, z = np.indices((40, 30, 10))
    label = np.zeros(x.shape, np.uint8)
    for value, (cx, cy, cz), r in ((1, (12, 10, 4), 6), (2, (26, 18, 5), 5), (3, (22, 8, 6), 4)):
        label[(x - cx) ** 2 + (y - cy) ** 2 + (2 * (z - cz)) ** 2 < r**2] = value
    noise = np.random.default_rng(0).normal(size=label.shape)
    return (100 * label + 10 * noise).astype(np.float32), label


@pytest.fixture
def cases(tmp_path):
    """The same anatomy, stored in four orientations."""
    affine = np.diag([2.0, 2.0, 4.0, 1.0])
    affine[:3, 3] = (-40, 20, 7)
    found = {}
    for codes in TURNED:
        paths = []
        for name, voxels in zip(("image", "label"), heart(), strict=True):
            stored = nib.Nifti1Image(voxels, affine).as_reoriented(
                nib.orientations.ornt_transform(
                    nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes)
                )
            )
            path = tmp_path / f"{codes}_{name}.nii.gz"
            data = np.asfortranarray(stored.dataobj)
            write_volume(path, data, Header.of_affine(stored.shape, stored.affine))
            paths.append(path)
        found[codes] = Case(codes, codes, "ED", (paths[0],), paths[1])
    return found


def test_the_network_sees_every_orientation_alike(cases):
    prepared = {c: prepare_case(case, ACDC, CLASSES, SETTINGS) for c, case in cases.items()}
    for each in prepared.values():
        np.testing.assert_allclose(each.image, prepared["RAS"].image, atol=2e-3)
        np.testing.assert_array_equal(each.label, prepared["RAS"].label)


@pytest.mark.parametrize("crop", ["center", "snap", "label", "foreground"])
@pytest.mark.parametrize("codes", TURNED)
def test_a_map_overlays_its_image_in_nibabel_and_simpleitk(cases, tmp_path, codes, crop):
    case = cases[codes]
    settings = Preprocessing.from_dict(
        {"spacing": [2, 2, 4], "size": [40, 32, 12], "crop": crop, "orientation": "RAS"}
    )
    prepared = prepare_case(case, ACDC, CLASSES, settings)
    label = restore(prepared.label, prepared.grid, prepared.original.grid)
    path = tmp_path / "map.nii.gz"
    write_prediction(path, label, CLASSES, ACDC.class_values, prepared.original)
    image, truth, found = (nib.load(p) for p in (case.images[0], case.label, path))
    np.testing.assert_array_equal(found.affine, image.affine)
    image_itk, found_itk = (sitk.ReadImage(str(p)) for p in (case.images[0], path))
    for name in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(found_itk, name)() == getattr(image_itk, name)()
    for value in (1, 2, 3):
        one, other = np.asarray(truth.dataobj) == value, np.asarray(found.dataobj) == value
        assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.95


def test_soft_volumes_and_the_ceiling_do_not_depend_on_the_orientation(cases):
    volumes, ceilings = [], []
    for case in cases.values():
        prepared = prepare_case(case, ACDC, CLASSES, SETTINGS)
        shares = (prepared.label == np.arange(4)[:, None, None, None]).astype(np.float32)
        volumes.append(soft_volumes(shares, prepared.grid, prepared.original.grid))
        found = case_ceiling(case, ACDC, CLASSES, SETTINGS)
        ceilings.append([each.dsc for each in found])
    np.testing.assert_allclose(volumes, [volumes[0]] * len(volumes), rtol=1e-6)
    np.testing.assert_allclose(ceilings, [ceilings[0]] * len(ceilings), atol=0.02)


def test_as_is_leaves_the_axes_of_the_image(cases):
    settings = Preprocessing.from_dict({"spacing": [2, 2, 4], "size": [40, 32, 12]})
    prepared = prepare_case(cases["LPS"], ACDC, CLASSES, settings)
    assert prepared.grid.direction == read_volume(cases["LPS"].label).grid.direction
    turned = prepare_case(cases["RAS"], ACDC, CLASSES, settings)
    np.testing.assert_array_equal(prepared.label[::-1, ::-1], turned.label)

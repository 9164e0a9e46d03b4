from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from dicegrad.data.adapter import Adapter, Case, Scan
from dicegrad.data.checks import find_problems
from dicegrad.data.volumes import read_header
from dicegrad.evaluation.scores import score_case
from dicegrad.prediction.ceiling import case_ceiling
from dicegrad.prediction.restoration import restore, write_prediction
from dicegrad.preprocessing.prepare import prepare_case
from dicegrad.preprocessing.settings import Preprocessing
from tests.conftest import refusal

ADAPTER = Adapter("toy", ("a", "b"), ("ED",), {"LV": (1,)}, lambda root: Scan(()), list)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
SETTINGS = Preprocessing.from_dict(
    {"spacing": [2, 2, 2], "size": [24, 20, 16], "normalisation": {}}
)
LABEL = np.zeros((24, 20, 16), np.uint8)
LABEL[4:12, 3:8, 4:10] = 1


def save(path, array, affine=AFFINE, codes=(0, 2)):
    image = nib.Nifti1Image(array, affine)
    image.set_qform(affine if codes[0] else None, codes[0])
    image.set_sform(affine if codes[1] else None, codes[1])
    image.to_filename(path)


@pytest.fixture
def case(tmp_path):
    images = tuple(tmp_path / f"c_{name}.nii.gz" for name in "ab")
    for seed, path in enumerate(images):
        save(path, np.random.default_rng(seed).normal(100, 9, LABEL.shape).astype(np.float32))
    save(tmp_path / "c_gt.nii.gz", LABEL)
    return Case("c", "c", "ED", images, tmp_path / "c_gt.nii.gz")


def flipped(affine=AFFINE):
    turned = affine.copy()
    turned[1, 1], turned[1, 3] = -2, 2 * 19
    return turned


def problem(case, align=False):
    (line,) = find_problems([case], ADAPTER, align)
    assert refusal(prepare_case, case, ADAPTER, ("LV",), replace(SETTINGS, align=align)) == line
    return line


def test_a_label_that_lies_elsewhere_is_refused_by_check_and_by_preparation(case):
    save(case.label, LABEL[:, ::-1], flipped())
    line = problem(case)
    assert f"{case.label}: does not lie where {case.images[0]} lies: flipped along y" in line
    assert line.endswith("or set preprocessing.align: true to resample labels to their images")
    away = AFFINE.copy()
    away[0, 3] = 100
    save(case.label, LABEL, away)
    assert "100.0 mm off" in problem(case)


def test_align_brings_a_flipped_label_to_the_very_voxels_of_its_image(case):
    expected = prepare_case(case, ADAPTER, ("LV",), SETTINGS)
    save(case.label, LABEL[:, ::-1], flipped())
    found = prepare_case(case, ADAPTER, ("LV",), replace(SETTINGS, align=True))
    assert find_problems([case], ADAPTER, align=True) == []
    np.testing.assert_array_equal(found.label, expected.label)
    np.testing.assert_array_equal(found.image, expected.image)


def test_align_resamples_a_label_of_another_size(case):
    finer = np.kron(LABEL, np.ones((2, 2, 2), np.uint8))
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = -0.5  # the two halves of a voxel on either side of its centre
    expected = prepare_case(case, ADAPTER, ("LV",), SETTINGS)
    save(case.label, finer, affine)
    assert "shape is (48, 40, 32)" in problem(case)
    found = prepare_case(case, ADAPTER, ("LV",), replace(SETTINGS, align=True))
    np.testing.assert_array_equal(found.label, expected.label)


def test_align_refuses_a_label_that_lies_wholly_outside(case):
    away = AFFINE.copy()
    away[0, 3] = 1000
    save(case.label, LABEL, away)
    line = refusal(prepare_case, case, ADAPTER, ("LV",), replace(SETTINGS, align=True))
    assert "all that is labelled lies outside the image" in line


def test_align_moves_labels_only_and_channels_must_agree(case):
    save(case.images[1], np.random.default_rng(3).normal(size=LABEL.shape), flipped())
    assert f"{case.images[1]}: does not lie where" in problem(case, align=True)


@pytest.mark.parametrize("codes", [(0, 0), (1, 1)])
def test_a_header_without_forms_fits_any_place_but_not_any_spacing(case, codes):
    for path in case.images:
        save(path, np.random.default_rng(1).normal(size=LABEL.shape), codes=(0, 0))
    save(case.label, LABEL, codes=codes)
    assert find_problems([case], ADAPTER) == []
    save(case.label, LABEL, np.diag([2.0, 2.0, 3.0, 1.0]), codes)
    assert "spacing is 2 x 2 x 3 mm" in problem(case)


def placed_at(x, *signs):
    affine = np.diag([2.0 * sign for sign in signs] + [1.0])
    affine[0, 3] = x
    return affine


@pytest.mark.parametrize("orientation", ["as-is", "RAS"])
@pytest.mark.parametrize("crop", ["snap", "center", "label", "foreground"])
@pytest.mark.parametrize("where", [placed_at(30, -1, -1, 1), placed_at(7, 1, 1, 1)])
@pytest.mark.parametrize("unplaced", [("label",), ("a",), ("a", "b"), ("b", "label")])
def test_a_label_lies_on_the_voxels_of_its_image_where_one_of_them_says_nothing_of_place(
    case, unplaced, where, crop, orientation
):
    bright = np.where(LABEL, np.float32(1000), np.float32(100))
    bright += np.random.default_rng(0).normal(size=LABEL.shape).astype(np.float32)
    files = {"a": (case.images[0], bright), "b": (case.images[1], bright), "label": None}
    for name in files:
        path, voxels = files[name] or (case.label, LABEL)
        save(path, voxels, where, (0, 0) if name in unplaced else (1, 1))
    settings = replace(SETTINGS, crop=crop, orientation=orientation)
    assert find_problems([case], ADAPTER) == []
    found = prepare_case(case, ADAPTER, ("LV",), settings)
    for channel in found.image:
        np.testing.assert_array_equal(found.label, channel > channel.max() / 2)
    (ceiling,) = case_ceiling(case, ADAPTER, ("LV",), settings)
    assert (ceiling.kept.grid_ml, ceiling.kept.outside) == (found.kept[0].grid_ml, 0)


def test_what_is_predicted_on_an_image_without_a_place_is_scored_voxel_by_voxel(case, tmp_path):
    away = placed_at(30, -1, -1, 1)
    for path in case.images:
        save(path, np.random.default_rng(1).normal(size=LABEL.shape), codes=(0, 0))
    save(case.label, LABEL, away)
    found = prepare_case(case, ADAPTER, ("LV",), SETTINGS)
    label = restore(found.label, found.grid, found.original.grid)
    path = tmp_path / "predicted.nii.gz"
    write_prediction(path, label, ("LV",), ADAPTER.class_values, found.original)
    assert not read_header(path).placed
    for align in (False, True):
        (row,) = score_case(path, case.label, ADAPTER.class_values, align=align)
        assert row["dsc"] == 1


def test_units_are_compared_in_millimetres(case):
    image = nib.load(case.images[0])
    for path in case.images:
        data = np.asarray(nib.load(path).dataobj)
        image = nib.Nifti1Image(data, np.diag([2000.0, 2000.0, 2000.0, 1]))
        image.header["xyzt_units"] = 3
        image.to_filename(path)
    assert find_problems([case], ADAPTER) == []
    save(case.label, LABEL, np.diag([2000.0, 2000.0, 2000.0, 1]))
    assert "spacing 2000 x 2000 x 2000 mm instead of 2 x 2 x 2 mm" in problem(case)

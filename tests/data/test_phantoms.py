import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import label as components

from dicegrad.data.phantom_heart import LV, MYO, RV
from dicegrad.data.phantom_tumor import tumor_group
from dicegrad.data.phantoms import phantom_files, write_phantom
from dicegrad.errors import InputError
from tests.conftest import find_cases, raw_files


def contents(root, files):
    """Voxels, or text, of every file by its place under the root."""
    return {
        str(path.relative_to(root)): (
            path.read_text() if path.suffix == ".cfg" else array(path).tobytes()
        )
        for path in files
    }


def array(path):
    return np.asarray(nib.load(path).dataobj)


@pytest.mark.parametrize("kind", ["tumor", "heart"])
def test_a_subject_depends_on_seed_and_number_only(tmp_path, kind):
    few, many, other = (
        contents(tmp_path / name, write_phantom(kind, tmp_path / name, subjects, seed))
        for name, subjects, seed in (("few", 2, 5), ("many", 3, 5), ("other", 2, 6))
    )
    assert all(many[name] == few[name] for name in few)
    assert all(other[name] != few[name] for name in few)


@pytest.mark.parametrize(("kind", "adapter"), [("tumor", "brats"), ("heart", "acdc")])
def test_the_files_foretold_are_the_files_written_and_the_adapter_reads_all(
    tmp_path, kind, adapter
):
    foretold = phantom_files(kind, tmp_path, 4)
    assert not any(path.exists() for path in foretold)
    assert write_phantom(kind, tmp_path, 4, seed=0) == foretold
    written = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert written == sorted(foretold) == raw_files(adapter, tmp_path)


@pytest.mark.parametrize("subjects", range(1, 30))
def test_a_third_of_the_tumors_are_low_grade(subjects):
    groups = [tumor_group(index) for index in range(subjects)]
    assert groups.count("LGG") == round(subjects / 3)


def test_images_are_int16_and_labels_hold_the_datasets_own_values(heart, tumor):
    for name, root in (("acdc", heart), ("brats", tumor)):
        for case in find_cases(name, root):
            assert all(array(path).dtype == np.int16 for path in case.images)
            assert array(case.label).dtype == np.uint8
            full = {"ED": {0, 1, 2, 3}, "ES": {0, 1, 2, 3}, "HGG": {0, 1, 2, 4}, "LGG": {0, 1, 2}}
            assert set(np.unique(array(case.label))) == full[case.group]


def test_simpleitk_and_nibabel_agree_where_a_voxel_lies(heart, tumor):
    for name, root in (("acdc", heart), ("brats", tumor)):
        case = find_cases(name, root)[0]
        image = sitk.ReadImage(str(case.images[0]))
        affine = nib.load(case.images[0]).affine
        index = (3, 5, 2)
        ras = affine @ [*index, 1]
        lps = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(lps, ras[:3] * [-1, -1, 1], atol=1e-3)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, array(case.images[0]))


def test_brain_images_are_zero_outside_the_brain_alone(tumor):
    for case in find_cases("brats", tumor):
        masks = [array(path) > 0 for path in case.images]
        assert all((mask == masks[0]).all() for mask in masks)
        assert masks[0][array(case.label) > 0].all()
        assert 0.2 < masks[0].mean() < 0.6
        assert not masks[0][0].any()


def test_high_grade_has_a_dark_core_in_an_enhancing_ring_and_low_grade_has_not(tmp_path):
    write_phantom("tumor", tmp_path, 6, seed=1)
    for case in find_cases("brats", tmp_path):
        t1ce, seg = array(case.images[2]).astype(float), array(case.label)
        brain = np.median(t1ce[(t1ce > 0) & (seg == 0)])
        core = t1ce[seg == 1].mean() / brain
        if case.group == "HGG":
            assert core < 0.45
            assert t1ce[seg == 4].mean() / brain > 1.2
        else:
            assert 0.5 < core < 0.8
            assert t1ce[seg > 0].max() < 1.2 * brain


def test_the_heart_is_a_cavity_in_a_closed_ring_with_a_crescent_beside_it(heart):
    for case in find_cases("acdc", heart):
        label = array(case.label)
        middle = label[..., label.shape[2] // 2]
        assert components(middle == LV)[1] == components(middle == RV)[1] == 1
        # Nothing but wall touches the cavity: filling from outside never gets in.
        outside, _ = components(middle != MYO)
        assert outside[middle == LV][0] != outside[0, 0]


def test_systole_has_a_smaller_cavity_and_a_thicker_wall(tmp_path):
    write_phantom("heart", tmp_path, 4, seed=2)
    cases = find_cases("acdc", tmp_path)
    for ed, es in zip(cases[::2], cases[1::2], strict=True):
        np.testing.assert_array_equal(nib.load(ed.images[0]).affine, nib.load(es.images[0]).affine)
        size, wall = {}, {}
        for case in (ed, es):
            base = array(case.label)[..., 0]
            size[case.group] = np.sqrt((base == LV).sum())
            wall[case.group] = np.sqrt((base == LV).sum() + (base == MYO).sum()) - size[case.group]
        assert size["ES"] < 0.7 * size["ED"]
        assert wall["ES"] > 1.35 * wall["ED"]


def test_hearts_vary_in_voxel_size_extent_and_orientation(tmp_path):
    write_phantom("heart", tmp_path, 8, seed=0)
    images = [nib.load(case.images[0]) for case in find_cases("acdc", tmp_path)[::2]]
    spacings = np.array([image.header.get_zooms() for image in images])
    assert spacings[:, :2].min() >= 1.4
    assert spacings[:, :2].max() <= 1.7
    assert set(spacings[:, 2]) <= {8.0, 9.0, 10.0}
    assert len(set(spacings[:, 2])) > 1
    assert len({image.shape for image in images}) > 4
    assert all(6 <= image.shape[2] <= 9 for image in images)
    assert all(np.count_nonzero(np.abs(image.affine[:3, :3]) > 0.1) > 5 for image in images)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("liver", 3, 0), "kind is 'liver'"),
        (("heart", 0, 0), "subjects is 0"),
        (("heart", 1000, 0), "subjects is 1000"),
        (("tumor", 3, -1), "seed is -1"),
    ],
)
def test_a_phantom_that_cannot_be_made_is_refused(tmp_path, arguments, says):
    kind, subjects, seed = arguments
    with pytest.raises(InputError, match=says):
        write_phantom(kind, tmp_path, subjects, seed)


def test_the_tumor_can_be_drawn_on_the_grid_of_brats(tmp_path):
    write_phantom("tumor", tmp_path, 1, seed=0, shape=(60, 60, 39))
    case = find_cases("brats", tmp_path)[0]
    assert array(case.label).shape == (60, 60, 39)
    assert (array(case.label) > 0).mean() > 0.01

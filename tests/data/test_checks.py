import gzip
import os
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from dicegrad.data.adapters import get_adapter
from dicegrad.data.cases import summary
from dicegrad.data.checks import check_voxels, find_problems
from dicegrad.data.volumes import read_header
from dicegrad.errors import InputError


def rewrite(path, array, affine=None):
    affine = nib.load(path).affine if affine is None else affine
    nib.save(nib.Nifti1Image(array, affine), path)


def voxels(case):
    images = [np.asarray(nib.load(path).dataobj) for path in case.images]
    return images, np.asarray(nib.load(case.label).dataobj)


def test_a_sound_dataset_has_no_problem(heart, tumor):
    for name, root in (("acdc", heart), ("brats", tumor)):
        adapter = get_adapter(name, root)
        cases = adapter.scan(root).cases
        assert find_problems(cases, adapter) == []
        for case in cases:
            check_voxels(case, *voxels(case), adapter)


def only_problem(cases, adapter):
    (problem,) = find_problems(cases, adapter)
    assert "\n" not in problem
    return problem


def test_a_missing_modality_is_named_with_its_file(tumor):
    adapter = get_adapter("brats", tumor)
    cases = adapter.scan(tumor).cases
    cases[1].images[2].unlink()
    problem = only_problem(cases, adapter)
    assert "Brats18_PHANTOM_0003_1: modality t1ce is missing" in problem
    assert str(cases[1].images[2]) in problem


def test_a_link_that_leads_nowhere_is_named_as_such(heart):
    adapter = get_adapter("acdc", heart)
    cases = adapter.scan(heart).cases
    image = cases[0].images[0]
    image.unlink()
    image.symlink_to("nowhere")
    assert only_problem(cases, adapter) == (
        f"case {cases[0].case}: {image} is a link that leads nowhere; put the file there"
    )


def test_a_file_that_two_subjects_share_is_told_and_one_that_is_image_and_label(heart):
    adapter = get_adapter("acdc", heart)
    cases = list(adapter.scan(heart).cases)
    apart = next(case for case in cases if case.subject != cases[0].subject)
    (shared := cases[0].images[0]).unlink()
    shared.symlink_to(apart.images[0])
    of_shared = [p for p in find_problems(cases, adapter) if "which are of two subjects" in p]
    assert of_shared == [
        f"{apart.images[0]}: is a file of case {apart.case} and of case {cases[0].case}, which are "
        "of two subjects; give each its own file, or both one subject"
    ]
    cases[0] = replace(cases[0], images=(cases[0].label,))
    assert f"{cases[0].label}: is the label map of case {cases[0].case} and its image" in (
        only_problem(cases, adapter)
    )


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_link_is_the_file_that_it_leads_to(heart, link):
    adapter = get_adapter("acdc", heart)
    cases = list(adapter.scan(heart).cases)
    apart = next(case for case in cases if case.subject != cases[0].subject)
    cases[0].images[0].unlink()
    link(apart.images[0], cases[0].images[0])
    assert any("which are of two subjects" in line for line in find_problems(cases, adapter))
    cases[0].images[0].unlink()
    link(cases[0].label, cases[0].images[0])
    assert any("and its image" in line for line in find_problems(cases, adapter))


def test_an_image_whose_contrast_single_precision_does_not_hold_is_told(heart):
    adapter = get_adapter("acdc", heart)
    case = adapter.scan(heart).cases[0]
    images, label = voxels(case)
    large = images[0].astype(np.int64) + (1 << 62)
    with pytest.raises(InputError, match=r"every voxel is 4\.6"):
        check_voxels(case, [large], label, adapter)


def test_a_label_without_image_an_image_without_label_and_neither(heart):
    adapter = get_adapter("acdc", heart)
    cases = adapter.scan(heart).cases
    cases[0].images[0].unlink()
    cases[1].label.unlink()
    cases[2].images[0].unlink()
    cases[2].label.unlink()
    problems = find_problems(cases, adapter)
    assert [problem.split(";")[0] for problem in problems] == [
        "case patient001_ED: label without image",
        "case patient001_ES: image without label",
        "case patient002_ED: neither image nor label",
    ]
    assert summary(problems, "some.log") == f"{problems[0]} (and 2 more problems; see some.log)"


def test_image_and_label_of_different_shape_are_named_with_both_shapes(heart):
    adapter = get_adapter("acdc", heart)
    cases = adapter.scan(heart).cases
    label = voxels(cases[0])[1]
    rewrite(cases[0].label, label[1:])
    problem = only_problem(cases, adapter)
    assert str(cases[0].label) in problem
    assert str(label.shape) in problem
    assert str(label[1:].shape) in problem


def test_grossly_different_spacing_is_a_problem_and_rounding_is_none(heart):
    adapter = get_adapter("acdc", heart)
    cases = adapter.scan(heart).cases
    label, affine = voxels(cases[0])[1], nib.load(cases[0].label).affine
    rewrite(cases[0].label, label, affine @ np.diag([1.001, 1, 1, 1]))
    assert find_problems(cases, adapter) == []
    rewrite(cases[0].label, label, affine @ np.diag([1, 1, 0.5, 1]))
    assert "x 5 mm instead of" in only_problem(cases, adapter)


def test_a_four_dimensional_image_is_named_with_its_shape(heart):
    adapter = get_adapter("acdc", heart)
    cases = adapter.scan(heart).cases
    rewrite(cases[0].images[0], np.zeros((8, 8, 4, 3), np.int16))
    assert "(8, 8, 4, 3), 4-D" in only_problem(cases, adapter)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.6, 0.999])
def test_a_truncated_file_is_found_without_reading_its_voxels(tmp_path, compressed, share):
    path = tmp_path / ("image.nii.gz" if compressed else "image.nii")
    array = np.random.default_rng(0).integers(0, 999, (20, 20, 10)).astype(np.int16)
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    assert read_header(path).grid.size == (20, 20, 10)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"image.nii.*(truncated|cannot be read)"):
        read_header(path)


def test_a_gzip_file_of_several_members_is_whole(tmp_path):
    path = tmp_path / "image.nii.gz"
    nib.save(nib.Nifti1Image(np.arange(1000, dtype=np.int16).reshape(10, 10, 10), np.eye(4)), path)
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(plain[:700]) + gzip.compress(plain[700:]))
    assert read_header(path).grid.size == (10, 10, 10)


def test_a_file_that_is_no_nifti_is_named(heart):
    adapter = get_adapter("acdc", heart)
    cases = adapter.scan(heart).cases
    cases[0].images[0].write_bytes(b"<html>not found</html>")
    assert str(cases[0].images[0]) in only_problem(cases, adapter)


def test_no_case_a_double_case_and_an_unknown_group_are_problems(heart):
    adapter = get_adapter("acdc", heart)
    cases = adapter.scan(heart).cases
    assert "no case at all" in only_problem([], adapter)
    assert "case patient001_ED: comes more than once" in only_problem([*cases, cases[0]], adapter)
    odd = [replace(cases[0], group="EX"), *cases[1:]]
    assert "group is 'EX'; dataset acdc has ED, ES" in only_problem(odd, adapter)


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_a_nan_or_infinite_voxel_is_counted(heart, value, word):
    adapter = get_adapter("acdc", heart)
    case = adapter.scan(heart).cases[0]
    images, label = voxels(case)
    broken = images[0].astype(np.float32)
    broken[3, 4, 2] = value
    with pytest.raises(InputError, match=rf"frame01.nii.gz: 1 of {broken.size} voxels are {word}"):
        check_voxels(case, [broken], label, adapter)


def test_a_constant_image_is_refused(heart):
    adapter = get_adapter("acdc", heart)
    case = adapter.scan(heart).cases[0]
    images, label = voxels(case)
    with pytest.raises(InputError, match="every voxel is 7"):
        check_voxels(case, [np.full_like(images[0], 7)], label, adapter)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_a_label_value_the_dataset_does_not_have_is_named_and_counted(tumor, dtype):
    adapter = get_adapter("brats", tumor)
    case = adapter.scan(tumor).cases[0]
    images, label = voxels(case)
    label = label.astype(dtype)
    label[0, 0, :5] = 3
    with pytest.raises(InputError, match=r"seg.nii.gz: label value 3 in 5 voxels; .*0, 1, 2, 4"):
        check_voxels(case, images, label, adapter)


def test_several_foreign_values_are_counted_a_negative_one_among_them(tumor):
    adapter = get_adapter("brats", tumor)
    case = adapter.scan(tumor).cases[0]
    images, label = voxels(case)
    label = label.astype(np.int16)
    label[0, 0, 0], label[0, 0, 1] = -1, 9
    with pytest.raises(InputError, match=r"label value -1 in 1 voxels.*\(and 1 more problem\)"):
        check_voxels(case, images, label, adapter)


def test_a_label_between_two_values_is_refused_and_a_whole_float_is_not(tumor):
    adapter = get_adapter("brats", tumor)
    case = adapter.scan(tumor).cases[0]
    images, label = voxels(case)
    check_voxels(case, np.stack(images), label.astype(np.float64), adapter)
    soft = label.astype(np.float64)
    soft[0, 0, :2] = 0.5
    with pytest.raises(InputError, match=r"2 voxels are not whole numbers, such as 0.5"):
        check_voxels(case, images, soft, adapter)

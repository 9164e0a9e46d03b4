from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from dicegrad.data.adapter import Adapter, Case, Scan
from dicegrad.data.volumes import read_volume
from dicegrad.errors import InputError
from dicegrad.preprocessing.about import read_about
from dicegrad.preprocessing.encoding import encode_label
from dicegrad.preprocessing.kept import describe_kept
from dicegrad.preprocessing.prepare import cut, prepare_case, prepare_dataset
from dicegrad.preprocessing.settings import Preprocessing
from tests.conftest import refusal
from tests.volumes import grid_of


def scan(root):
    return Scan(())


ADAPTER = Adapter("toy", ("a", "b"), ("ED", "ES"), {"LV": (3,), "MYO": (2, 5)}, scan, list)
SETTINGS = Preprocessing.from_dict(
    {"spacing": [2, 2, 3], "size": [8, 10, 6], "normalisation": {"over": "whole"}}
)


AFFINE = np.diag([-1.0, -1.0, 6.0, 1.0])


def write_case(folder: Path, name: str, seed: int = 0, shape=(16, 20, 4)) -> Case:
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint8)
    label[2:14, 2:18] = 2
    label[4:12, 6:14] = 3
    paths = []
    for channel in ADAPTER.channels:
        volume = (rng.normal(100, 10, shape) + 50 * (label > 0)).astype(np.int16)
        paths.append(folder / f"{name}_{channel}.nii.gz")
        nib.save(nib.Nifti1Image(volume, AFFINE), paths[-1])
    nib.save(nib.Nifti1Image(label, AFFINE), folder / f"{name}_gt.nii.gz")
    return Case(name, name, "ED", tuple(paths), folder / f"{name}_gt.nii.gz")


@pytest.fixture
def cases(tmp_path):
    return [write_case(tmp_path, f"case{i}", seed=i) for i in range(3)]


def prepare(cases, out, workers=1, classes=("MYO", "LV"), **options):
    files = (out / "images.npy", out / "labels.npy", out / "prepared.json")
    prepare_dataset(cases, ADAPTER, classes, SETTINGS, *files, workers=workers, **options)
    return np.load(files[0]), np.load(files[1]), read_about(files[2])


def test_a_case_comes_out_on_its_grid_in_the_order_of_the_classes(cases):
    prepared = prepare_case(cases[0], ADAPTER, ("MYO", "LV"), SETTINGS)
    assert prepared.image.shape == (2, 8, 10, 6)
    assert prepared.image.dtype == np.float16
    assert prepared.label.dtype == np.uint8
    assert prepared.grid.size == (8, 10, 6)
    assert prepared.grid.direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    volumes = [(prepared.label == k).sum() * 12 for k in (1, 2)]
    assert volumes == pytest.approx([128 * 18, 64 * 18])
    for channel in prepared.image.astype(np.float64):
        assert channel.mean() == pytest.approx(0, abs=1e-3)
        assert channel.std() == pytest.approx(1, abs=1e-2)


def test_classes_gather_the_values_of_the_adapter():
    raw = np.array([0, 2, 3, 5]).reshape(4, 1, 1)
    for dtype in (np.uint8, np.int16, np.float32):
        label = encode_label(raw.astype(dtype), ADAPTER, ("LV", "MYO"))
        assert label.ravel().tolist() == [0, 2, 1, 2]
    assert encode_label(raw, ADAPTER, ("MYO",)).ravel().tolist() == [0, 1, 0, 1]
    with pytest.raises(InputError, match="'RV' is not a class of toy; it has LV, MYO"):
        encode_label(raw, ADAPTER, ("RV",))


def test_the_mean_of_the_non_zero_voxels_is_that_of_the_whole_image(tmp_path):
    shape = (40, 40, 40)
    volume = np.zeros(shape, np.int16)
    volume[5:35, 5:35, 5:35] = np.random.default_rng(0).integers(100, 200, (30, 30, 30))
    label = np.zeros(shape, np.uint8)
    label[6:10, 6:10, 6:10] = 3
    for name, array in (("a", volume), ("gt", label)):
        nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / f"{name}.nii.gz")
    case = Case("x", "x", "ED", (tmp_path / "a.nii.gz",), tmp_path / "gt.nii.gz")
    values = {"spacing": [1, 1, 1], "crop": "label", "normalisation": {"over": "nonzero"}}
    small = Preprocessing.from_dict(values | {"size": [8, 8, 8]})
    prepared = prepare_case(case, ADAPTER, ("LV",), small)
    inside = volume[volume != 0]
    # The label's centre (7, 7, 7) lies on voxel (4, 4, 4), so the crop begins at 3.
    expected = (volume[3:11, 3:11, 3:11] - inside.mean()) / inside.std(ddof=1)
    expected[volume[3:11, 3:11, 3:11] == 0] = 0
    np.testing.assert_allclose(prepared.image[0], expected, atol=2e-3)
    np.testing.assert_array_equal(prepared.label, label[3:11, 3:11, 3:11] // 3)


def test_cutting_pads_with_zeros():
    volume = np.arange(1, 4).reshape(3, 1, 1)
    assert cut(volume, (-1, 0, 0), (3, 1, 1)).ravel().tolist() == [2, 3, 0]
    assert cut(volume, (2, 0, 0), (4, 1, 1)).ravel().tolist() == [0, 0, 1, 2]
    assert cut(volume, (5, 0, 0), (2, 1, 1)).ravel().tolist() == [0, 0]


def test_workers_change_nothing_but_the_time(cases, tmp_path):
    seen = []
    alone = prepare(cases, tmp_path / "one", progress=lambda *step: seen.append(step))
    together = prepare(cases, tmp_path / "two", workers=2)
    assert [step[:2] for step in seen] == [(1, 3), (2, 3), (3, 3)]
    assert [step[2].split()[0] for step in seen] == ["case0", "case1", "case2"]
    np.testing.assert_array_equal(alone[0], together[0])
    np.testing.assert_array_equal(alone[1], together[1])
    assert alone[2] == together[2]
    assert list(alone[2].grids) == ["case0", "case1", "case2"]
    assert alone[0].shape == (3, 2, 8, 10, 6)
    one = prepare_case(cases[1], ADAPTER, ("MYO", "LV"), SETTINGS)
    np.testing.assert_array_equal(alone[0][1], one.image)
    assert alone[2].grids["case1"] == one.grid


def test_what_later_stages_need_of_the_original_files_travels_with_the_arrays(cases, tmp_path):
    about = prepare(cases, tmp_path / "out")[2]
    original = read_volume(cases[0].images[0]).header
    assert about.originals == dict.fromkeys(("case0", "case1", "case2"), original)
    assert about.channels == ADAPTER.channels
    assert about.classes == ("MYO", "LV")
    assert about.class_values == {"MYO": (2, 5), "LV": (3,)}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"channels": ["a"]}', '{"cases": 3}'])
def test_a_damaged_description_is_named(tmp_path, text):
    path = tmp_path / "prepared.json"
    path.write_text(text)
    assert refusal(read_about, path).startswith(f"{path}: is damaged (")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_bad_case_is_told_and_nothing_is_left_behind(cases, tmp_path, workers):
    cases[0].images[0].write_bytes(b"no image")
    cases[2].label.unlink()
    out = tmp_path / "out"
    with pytest.raises(InputError) as caught:
        prepare(cases, out, workers=workers)
    first, second = str(caught.value).splitlines()
    assert str(cases[0].images[0]) in first
    assert str(cases[2].label) in second
    assert list(out.iterdir()) == []


def test_the_log_says_how_much_of_each_class_the_grid_keeps(cases, tmp_path):
    lines = []
    prepare(cases[:1], tmp_path / "out", progress=lambda done, total, line: lines.append(line))
    # 864 voxels of 6 cubic mm carry MYO or LV, 384 of them LV. Where the grid's slices lie half-way
    # between those of the image, the paper's tie rule gives the edge to the background.
    kept = prepare_case(cases[0], ADAPTER, ("MYO", "LV"), SETTINGS).kept
    assert [each.original_ml for each in kept] == pytest.approx([512 * 0.006, 256 * 0.006])
    assert lines == [
        f"case0  MYO {kept[0].grid_ml:.2f} of 3.07 ml, LV {kept[1].grid_ml:.2f} of 1.54 ml"
    ]


def lost_label(case, where, value=3):
    label = np.zeros((16, 20, 4), np.uint8)
    label[where] = value
    label[6:10, 8:12, 1:3] = 2
    nib.save(nib.Nifti1Image(label, np.diag([-1.0, -1.0, 6.0, 1.0])), case.label)


def test_a_class_of_which_the_grid_sees_nothing_is_refused(cases, tmp_path):
    narrow = replace(SETTINGS, size=(4, 10, 6))
    lost_label(cases[1], np.s_[0:2, 0:4, 1:3])
    with pytest.raises(InputError) as caught:
        prepare_case(cases[1], ADAPTER, ("MYO", "LV"), narrow)
    line = str(caught.value)
    assert line.startswith("case case1: class LV has 16 voxels in the label and none on the grid")
    assert "4 x 10 x 6 voxels of 2 x 2 x 3 mm, crop: center" in line
    assert "enlarge preprocessing.size" in line
    assert "\n" not in line


def test_a_class_too_small_for_the_spacing_is_refused_with_that_remedy(cases):
    lost_label(cases[1], np.s_[12:13, 14:15, 1:2])
    with pytest.raises(InputError, match=r"class LV has 1 voxels.*finer preprocessing\.spacing"):
        prepare_case(cases[1], ADAPTER, ("MYO", "LV"), SETTINGS)


def test_allow_lost_trains_on_it_as_empty_and_says_so(cases, tmp_path):
    lost_label(cases[1], np.s_[12:13, 14:15, 1:2])
    allowed = replace(SETTINGS, allow_lost=True)
    prepared = prepare_case(cases[1], ADAPTER, ("MYO", "LV"), allowed)
    assert (prepared.label != 2).all()
    assert describe_kept(prepared.kept).endswith("LV 0.00 of 0.01 ml: all 1 voxels lost")


def one_slice(folder):
    return write_case(folder, "flat", shape=(16, 20, 1))


def test_a_grid_that_sees_none_of_the_image_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"case flat: the grid.*sees none of the image: along z"):
        prepare_case(one_slice(tmp_path), ADAPTER, ("MYO", "LV"), SETTINGS)


@pytest.mark.parametrize("change", [{"crop": "snap"}, {"spacing": (2, 2, "native")}])
def test_the_remedies_see_the_only_slice(tmp_path, change):
    settings = replace(SETTINGS, **change)
    prepared = prepare_case(one_slice(tmp_path), ADAPTER, ("MYO", "LV"), settings)
    seen = prepared.label.any(axis=(0, 1))
    assert seen.sum() == 1
    assert prepared.image[:, :, :, seen].std() > 0


def test_a_volume_over_time_is_refused(cases):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4, 3), np.int16), np.eye(4)), cases[0].images[1])
    with pytest.raises(InputError, match="give one 3-D volume per file"):
        prepare_case(cases[0], ADAPTER, ("LV",), SETTINGS)


def test_an_image_and_a_label_of_different_sizes_are_refused(cases):
    nib.save(nib.Nifti1Image(np.ones((16, 20, 5), np.int16), np.eye(4)), cases[0].images[1])
    with pytest.raises(InputError, match=r"case0_b.*shape is \(16, 20, 5\).*\(16, 20, 4\)"):
        prepare_case(cases[0], ADAPTER, ("LV",), SETTINGS)


def test_voxels_that_cannot_be_used_are_refused(cases, tmp_path):
    label = np.zeros((16, 20, 4), np.uint8)
    label[3, 3, 3] = 7
    nib.save(nib.Nifti1Image(label, AFFINE), cases[0].label)
    with pytest.raises(InputError, match=r"case0_gt.*label value 7 in 1 voxels"):
        prepare_case(cases[0], ADAPTER, ("LV",), SETTINGS)
    image = np.ones((16, 20, 4), np.float32)
    image[1, 2, 3] = np.nan
    nib.save(nib.Nifti1Image(image, AFFINE), cases[1].images[0])
    with pytest.raises(InputError, match=r"case1_a.*1 of 1280 voxels are NaN"):
        prepare_case(cases[1], ADAPTER, ("LV",), SETTINGS)


def test_a_case_without_any_label_is_prepared(cases):
    nib.save(nib.Nifti1Image(np.zeros((16, 20, 4), np.uint8), AFFINE), cases[0].label)
    prepared = prepare_case(cases[0], ADAPTER, ("LV",), SETTINGS)
    assert not prepared.label.any()
    assert np.isfinite(prepared.image).all()


def test_fractions_and_scaled_numbers_are_read_as_they_are_meant(tmp_path):
    values = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    affine = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, -3], [0, 0, 4, 1], [0, 0, 0, 1]])
    scaled = nib.Nifti1Image(values, affine)
    scaled.header.set_data_dtype(np.int16)
    for name, image in (("plain", nib.Nifti1Image(values, affine)), ("scaled", scaled)):
        path = tmp_path / f"{name}.nii.gz"
        nib.save(image, path)
        ours, theirs = read_volume(path), sitk.ReadImage(path)
        assert ours.grid == grid_of(theirs)
        np.testing.assert_allclose(ours.voxels, values, atol=1e-3)


def test_ignored_voxels_do_not_move_a_crop_on_the_label(cases):
    adapter, settings = replace(ADAPTER, ignore=7), replace(SETTINGS, crop="label")
    plain = prepare_case(cases[0], adapter, ("MYO", "LV"), settings)
    label = nib.load(cases[0].label)
    voxels = np.asarray(label.dataobj).copy()
    voxels[:2] = 7
    nib.save(nib.Nifti1Image(voxels, label.affine), cases[0].label)
    ignoring = prepare_case(cases[0], adapter, ("MYO", "LV"), settings)
    assert ignoring.grid == plain.grid


@pytest.mark.parametrize("over", ["whole", "nonzero"])
def test_a_channel_without_contrast_is_named_with_its_case_and_prepared_all_the_same(
    tmp_path, over
):
    sound, dark = (write_case(tmp_path, name, shape=(40, 40, 12)) for name in ("sound", "dark"))
    volume = np.zeros((40, 40, 12), np.int16)
    volume[0, 0, 0] = 9  # outside of the crop
    nib.save(nib.Nifti1Image(volume, AFFINE), dark.images[1])
    settings = replace(SETTINGS, normalisation=replace(SETTINGS.normalisation, over=over))
    files = [tmp_path / name for name in ("images.npy", "labels.npy", "prepared.json")]
    settings = replace(settings, allow_lost=True)
    told = []
    prepare_dataset([sound, dark], ADAPTER, ("LV",), settings, *files, doubt=told.append)
    (line,) = told
    assert line.startswith("case dark: channel 2 of 2 has no contrast on the grid, where every")
    assert np.load(files[0])[1, 0].any()

from dataclasses import replace

import nibabel
import numpy as np
import pandas as pd
import pytest

from dicegrad.data.adapter import Case
from dicegrad.errors import InputError
from dicegrad.evaluation.scores import (
    SCORE_COLUMNS,
    collect_scores,
    map_volumes,
    read_scores,
    score_case,
    score_fold,
    with_soft_volumes,
    write_scores,
)
from dicegrad.study import Experiment
from dicegrad.study.experiment import DEFAULTS

HEART = {"LV": (3,), "MYO": (2,), "RV": (1,)}
TUMOR = {"tumor": (1, 2, 4)}
SPACING = (1.5, 2.0, 10.0)


@pytest.fixture
def save(tmp_path):
    def save(name, array, spacing=SPACING):
        path = tmp_path / f"{name}.nii.gz"
        array = np.asarray(array)
        nibabel.save(nibabel.Nifti1Image(array, np.diag([*spacing, 1.0])), path)
        return path

    return save


def label_map(*runs):
    """8 x 4 x 2 map whose planes x = 0, 1, ... hold the given values."""
    return np.repeat(np.array([*runs, *[0] * (8 - len(runs))], np.uint8), 8).reshape(8, 4, 2)


def test_volume_is_voxel_count_times_voxel_volume(save):
    truth, prediction = save("t", label_map(2, 2, 3)), save("p", label_map(2, 3, 3))
    rows = {row["class"]: row for row in score_case(prediction, truth, HEART)}
    plane_ml = 8 * 1.5 * 2 * 10 / 1000
    assert rows["MYO"]["volume_true_ml"] == pytest.approx(2 * plane_ml)
    assert rows["MYO"]["volume_pred_ml"] == pytest.approx(plane_ml)
    assert rows["MYO"]["dsc"] == pytest.approx(2 / 3)
    assert rows["RV"]["dsc"] == 1  # empty in both


def test_every_label_of_a_class_counts_and_the_prediction_may_use_one_of_them(save):
    truth, prediction = save("t", label_map(1, 2, 4)), save("p", label_map(1, 1, 1))
    (row,) = score_case(prediction, truth, TUMOR)
    assert row["class"] == "tumor"
    assert row["dsc"] == 1


def test_surface_metrics_are_in_mm(save):
    truth, prediction = save("t", label_map(0, 3, 3)), save("p", label_map(0, 0, 3, 3))
    row = score_case(prediction, truth, {"LV": (3,)}, tolerance_mm=1.5)[0]
    assert row["hd95_mm"] == pytest.approx(1.5)
    assert row["surface_dice"] == 1
    row = score_case(prediction, truth, {"LV": (3,)}, surfaces=False)[0]
    assert np.isnan(row["hd95_mm"])
    assert np.isnan(row["surface_dice"])


def test_a_prediction_on_another_grid_is_refused(save):
    truth = save("t", label_map(1))
    with pytest.raises(InputError, match=r"p\.nii\.gz: shape .* resample"):
        score_case(save("p", label_map(1)[:4]), truth, TUMOR)
    with pytest.raises(InputError, match=r"spacing 1 x 1 x 1 mm instead of 1.5 x 2 x 10 mm"):
        score_case(save("p", label_map(1), (1, 1, 1)), truth, TUMOR)


def test_a_label_value_without_a_class_is_refused(save):
    with pytest.raises(InputError, match=r"p\.nii\.gz: label value 7 belongs to no class"):
        score_case(save("p", label_map(7)), save("t", label_map(1)), TUMOR)


def test_probabilities_are_refused(save):
    soft = label_map(1) * np.float32(0.4)
    with pytest.raises(InputError, match="not all integers"):
        score_case(save("p", soft), save("t", label_map(1)), TUMOR)


def test_whole_numbers_saved_as_floats_are_labels(save):
    truth = save("t", label_map(1).astype(np.float32))
    assert score_case(save("p", label_map(1)), truth, TUMOR)[0]["dsc"] == 1


def test_a_file_that_is_no_image_is_named(tmp_path, save):
    path = tmp_path / "broken.nii.gz"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"broken\.nii\.gz"):
        score_case(path, save("t", label_map(1)), TUMOR)
    with pytest.raises(InputError, match=r"absent\.nii\.gz"):
        score_case(tmp_path / "absent.nii.gz", save("t", label_map(1)), TUMOR)


EXPERIMENT = Experiment("heart", "partial", "dice", "BI", "1e-7", 2)


def case(name, subject, group, label):
    return Case(name, subject, group, (), label)


@pytest.fixture
def fold_scores(save):
    cases = [
        case("a_ED", "a", "ED", save("l0", label_map(3, 2))),
        case("a_ES", "a", "ES", save("l1", label_map(3, 2))),
    ]
    predictions = [save("p0", label_map(3, 2)), save("p1", label_map(3))]
    return score_fold(cases, predictions, HEART, EXPERIMENT, 1)


def test_a_fold_gives_one_row_per_case_and_class(fold_scores):
    columns = [name for name in SCORE_COLUMNS if name not in DEFAULTS]  # as the row's folder
    assert list(fold_scores.columns) == columns
    assert len(fold_scores) == 2 * 3
    missing = fold_scores.set_index(["case", "class"]).loc[("a_ES", "MYO")]
    assert missing["dsc"] == 0
    assert missing["volume_pred_ml"] == 0
    assert missing["fold"] == 1


def test_scores_survive_their_file(fold_scores, tmp_path):
    fold_scores.loc[0, "group"] = "NA"  # a name that a careless reader takes for a gap
    write_scores(fold_scores, tmp_path / "scores.tsv")
    again = read_scores(tmp_path / "scores.tsv")
    assert set(again.pop("unannotated")) == {"as_empty"}
    pd.testing.assert_frame_equal(again, fold_scores, check_dtype=False)
    assert again["epsilon"].tolist() == ["1e-7"] * 6


def test_a_table_without_a_column_or_with_a_word_for_a_number_is_refused(fold_scores, tmp_path):
    path = tmp_path / "scores.tsv"
    write_scores(fold_scores.drop(columns="dsc"), path)
    with pytest.raises(InputError, match=r"scores\.tsv: column dsc is missing"):
        read_scores(path)
    write_scores(fold_scores.assign(dsc="good"), path)
    with pytest.raises(InputError, match=r"scores\.tsv: .*good"):
        read_scores(path)


@pytest.fixture
def two_grades(save):
    """Cases of both grades with a tumor of two planes, and predictions of one."""
    cases = [
        case("001", "001", "HGG", save("t1", label_map(1, 4))),
        case("b", "b", "LGG", save("t2", label_map(1, 2))),
    ]
    predictions = [save("p1", label_map(1)), save("p2", label_map(1))]
    return cases, predictions, TUMOR, replace(EXPERIMENT, dataset="tumor"), 0


def test_masked_scores_take_the_truth_of_the_group_for_empty(two_grades):
    full = score_fold(*two_grades)
    masked = score_fold(*two_grades, masked={"group": "LGG", "classes": ["tumor"]})
    pd.testing.assert_frame_equal(masked[:1], full[:1])
    plane_ml = 8 * 1.5 * 2 * 10 / 1000
    assert full["volume_true_ml"].tolist() == pytest.approx([2 * plane_ml] * 2)
    assert masked["volume_true_ml"].tolist() == pytest.approx([2 * plane_ml, 0])
    assert masked["volume_pred_ml"].tolist() == pytest.approx([plane_ml] * 2)
    assert full["dsc"].tolist() == pytest.approx([2 / 3] * 2)
    assert masked["dsc"].tolist() == pytest.approx([2 / 3, 0])


def test_soft_volumes_take_the_place_of_predicted_ones_and_of_nothing_else(two_grades, tmp_path):
    (tmp_path / "soft.tsv").write_text("case\ttumor\nb\t0.25\n001\t0.5\n")
    hard = score_fold(*two_grades)
    soft = with_soft_volumes(hard, tmp_path / "soft.tsv")
    assert soft["volume_pred_ml"].tolist() == [0.5, 0.25]
    changed = ["volume_pred_ml", "volume_map_ml"]
    pd.testing.assert_frame_equal(soft.drop(columns=changed), hard.drop(columns=changed[0]))
    assert map_volumes(soft).tolist() == hard["volume_pred_ml"].tolist()


def test_soft_volumes_of_one_dataset_stand_beside_plain_ones_of_another(two_grades, tmp_path):
    (tmp_path / "soft.tsv").write_text("case\ttumor\nb\t0.25\n001\t0.5\n")
    hard = score_fold(*two_grades)
    write_scores(hard.assign(dataset="other"), tmp_path / "hard_scores.tsv")
    write_scores(with_soft_volumes(hard, tmp_path / "soft.tsv"), tmp_path / "soft_scores.tsv")
    paths = [tmp_path / "hard_scores.tsv", tmp_path / "soft_scores.tsv"]
    write_scores(collect_scores(paths, ["BI", "BI"]), tmp_path / "scores.tsv")
    read = read_scores(tmp_path / "scores.tsv")
    assert map_volumes(read).tolist() == pytest.approx(2 * hard["volume_pred_ml"].tolist())


def test_a_prediction_that_lies_elsewhere_is_refused(tmp_path, save):
    truth, path = save("t", label_map(1)), tmp_path / "p.nii.gz"
    affine = np.diag([*SPACING, 1.0])
    affine[0, 0], affine[0, 3] = -1.5, 1.5 * 7
    nibabel.save(nibabel.Nifti1Image(label_map(1), affine), path)
    with pytest.raises(InputError, match=r"p\.nii\.gz: does not lie where .*: flipped along x"):
        score_case(path, truth, TUMOR)


def test_a_truth_that_lies_elsewhere_is_brought_to_the_prediction_where_that_is_wanted(
    tmp_path, save
):
    truth, path = save("t", label_map(0, 1, 1)), tmp_path / "p.nii.gz"
    affine = np.diag([*SPACING, 1.0])
    affine[0, 3] = 1.5  # one voxel further along x
    nibabel.save(nibabel.Nifti1Image(label_map(1, 1), affine), path)
    with pytest.raises(InputError, match=r"p\.nii\.gz: does not lie where"):
        score_case(path, truth, TUMOR)
    (row,) = score_case(path, truth, TUMOR, align=True)
    assert row["dsc"] == 1
    assert row["volume_true_ml"] == row["volume_pred_ml"] > 0


def test_a_prediction_with_a_flipped_byte_is_refused(save):
    path = save("p", label_map(1, 0, 1))
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"p\.nii\.gz: cannot be read .*incorrect data check"):
        score_case(path, save("t", label_map(1)), TUMOR)

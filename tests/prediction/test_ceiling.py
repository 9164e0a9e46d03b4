"""What a grid costs, on labels made on the spot and on real ones where they are."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dicegrad.data.adapter import Adapter, Case, Scan
from dicegrad.data.volumes import read_volume
from dicegrad.errors import InputError
from dicegrad.evaluation.scores import score_case
from dicegrad.prediction.ceiling import case_ceiling, dataset_ceiling, describe, label_ceiling
from dicegrad.prediction.restoration import restore, write_prediction
from dicegrad.preprocessing.grids import Grid, network_grid
from dicegrad.preprocessing.labeling import IGNORE
from dicegrad.preprocessing.prepare import prepare_case
from dicegrad.preprocessing.settings import Preprocessing
from tests.volumes import volume_on

AXES = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)
REAL = Path(os.environ.get("DICEGRAD_HIPPOCAMPUS", "../shared/data/hippocampus"))


def scan(root):
    return Scan(())


ADAPTER = Adapter("toy", ("a",), ("ED",), {"LV": (3,), "MYO": (2,)}, scan, list)


def settings(**values):
    return Preprocessing.from_dict({"spacing": [1, 1, 1], "size": [16, 16, 16]} | values)


def block(size=(16, 16, 16), where=np.s_[3:9, 4:9, 5:11], value=1):
    label = np.zeros(size, np.uint8)
    label[where] = value
    return label


def ceiling(label, chosen, spacing=(1.0, 1.0, 1.0), classes=("LV", "MYO")):
    original = Grid(label.shape, spacing, (0.0, 0.0, 0.0), AXES)
    grid = network_grid(volume_on(original), chosen)
    return label_ceiling(label, original, grid, chosen, classes, "case")


def test_a_label_on_its_own_grid_loses_nothing():
    (found,) = ceiling(block(), settings())
    assert (found.case, found.kept.name, found.dsc) == ("case", "LV", 1)
    assert found.kept.original_ml == found.kept.grid_ml == pytest.approx(0.18)
    assert found.kept.outside == 0


def test_a_class_that_the_label_has_not_has_no_ceiling():
    assert [each.kept.name for each in ceiling(block(value=2), settings())] == ["MYO"]
    assert ceiling(block(value=0), settings()) == []


def test_what_lies_outside_the_grid_is_counted_and_lowers_the_score():
    # Of the columns 3 to 8, the grid of 8 in the middle of 16 has those from 4 on.
    (found,) = ceiling(block(), settings(size=[8, 16, 16]))
    assert found.kept.outside == pytest.approx(1 / 6)
    assert found.kept.grid_ml == pytest.approx(0.15)
    assert found.dsc == pytest.approx(2 * 5 / (5 + 6))


def test_a_class_wholly_outside_scores_0():
    (found,) = ceiling(block(where=np.s_[0:2, 4:9, 5:11]), settings(size=[8, 16, 16]))
    assert (found.dsc, found.kept.outside, found.kept.lost) == (0, 1, True)


def test_half_a_voxel_off_costs_what_snap_saves():
    odd = {"size": [17, 17, 17]}
    (centred,) = ceiling(block(), settings(**odd))
    (snapped,) = ceiling(block(), settings(**odd, crop="snap"))
    assert centred.dsc < 0.9
    assert centred.kept.grid_ml < 0.9 * centred.kept.original_ml
    assert snapped.dsc == 1
    assert snapped.kept.grid_ml == snapped.kept.original_ml


def write(folder, name, label):
    for ending in ("image", "label"):
        image = sitk.GetImageFromArray(label.T)
        sitk.WriteImage(image, str(folder / f"{name}_{ending}.nii.gz"))
    return Case(
        name, name, "ED", (folder / f"{name}_image.nii.gz",), folder / f"{name}_label.nii.gz"
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_the_worst_cases_are_named(tmp_path, workers):
    cases = [
        write(tmp_path, "good", block(value=3)),
        write(tmp_path, "cut", block(value=3, where=np.s_[0:8, 4:9, 5:11])),
    ]
    done = []
    chosen = settings(size=[8, 16, 16])
    found = dataset_ceiling(cases, ADAPTER, ("LV", "MYO"), chosen, workers, lambda: done.append(1))
    assert len(done) == 2
    text = describe(found, ("LV", "MYO"), worst=1)
    # 6 + 8 columns, of which 5 + 4 are on the grid.
    assert text[1].split() == ["LV", "2", "0.7879", "0.6667", "64.3%", "35.71%"]
    assert text[2].split() == ["MYO", "0"]
    assert text[3:] == [
        "lowest:",
        "  LV of cut: DSC 0.6667, 0.1 of 0.2 ml on the grid, 50.0% of its voxels outside",
    ]


def test_every_case_that_cannot_be_read_is_named(tmp_path):
    cases = [write(tmp_path, name, block(value=3)) for name in ("a", "b", "c")]
    cases[0].label.write_bytes(b"no label")
    cases[2].label.unlink()
    with pytest.raises(InputError) as caught:
        dataset_ceiling(cases, ADAPTER, ("LV",), settings())
    first, second = str(caught.value).splitlines()
    assert str(cases[0].label) in first
    assert str(cases[2].label) in second


def test_crop_foreground_looks_at_the_image_not_at_the_label(tmp_path):
    case = write(tmp_path, "one", block(value=3))
    empty = block(value=0)
    empty[12:16, 12:16, 12:16] = 1
    sitk.WriteImage(sitk.GetImageFromArray(empty.T), str(case.images[0]))
    (found,) = dataset_ceiling([case], ADAPTER, ("LV",), settings(size=[4] * 3, crop="foreground"))
    assert found.kept.outside == 1


IGNORING = replace(ADAPTER, ignore=9)


def beside_ignored_voxels(size=(32, 32, 8)):
    """A class, ignored voxels that touch it, and more of them far away."""
    label = np.zeros(size, np.uint8)
    label[8:15, 8:21] = 3
    label[15:24, 8:21] = 9
    label[26:, 26:] = 9
    return label


@pytest.mark.parametrize("crop", ["center", "snap", "label", "foreground"])
def test_the_grid_is_that_of_preparation_whatever_is_ignored(tmp_path, crop):
    label = beside_ignored_voxels()
    label[8:15, 8:21, :2] = 0
    case = write(tmp_path, "one", label)
    chosen = settings(size=[16, 16, 8], crop=crop, allow_lost=True)
    (found,) = case_ceiling(case, IGNORING, ("LV",), chosen)
    assert (found.kept,) == prepare_case(case, IGNORING, ("LV",), chosen).kept


def test_a_crop_on_the_label_keeps_a_class_far_from_what_is_ignored(tmp_path):
    label = np.zeros((40, 40, 8), np.uint8)
    label[4:10, 4:10, 2:6] = 3
    label[20:, 20:] = 9
    chosen = settings(size=[16, 16, 8], crop="label")
    (found,) = case_ceiling(write(tmp_path, "one", label), IGNORING, ("LV",), chosen)
    assert (found.dsc, found.kept.outside) == (1, 0)


@pytest.mark.parametrize("method", ["distance", "linear"])
@pytest.mark.parametrize("classes", [{"LV": (3,)}, {"LV": (3,), "heart": (2, 3)}])
def test_the_ceiling_is_the_score_of_the_label_that_is_trained_on(tmp_path, classes, method):
    case = write(tmp_path, "one", beside_ignored_voxels())
    adapter = replace(IGNORING, class_values=classes)
    chosen = settings(spacing=[3, 3, 1], size=[16, 16, 8], label=method)
    prepared = prepare_case(case, adapter, tuple(classes), chosen)
    known = np.where(prepared.label == IGNORE, 0, prepared.label)
    original, overlapping = prepared.original.grid, len(classes) > 1
    back = restore(known, prepared.grid, original, chosen.restoration, overlapping)
    path = tmp_path / "predicted.nii.gz"
    write_prediction(path, back, tuple(classes), classes, prepared.original)
    scores = score_case(path, case.label, classes, surfaces=False, ignore=9)
    found = case_ceiling(case, adapter, tuple(classes), chosen)
    assert [each.dsc for each in found] == pytest.approx([each["dsc"] for each in scores])
    assert found[0].dsc < 1


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="DICEGRAD_HIPPOCAMPUS does not name the MSD folder")
def test_real_labels_at_native_spacing_keep_their_volume_and_come_back():
    chosen = settings(size=[48, 64, 48], crop="snap")
    paths = sorted((REAL / "labelsTr").glob("*.nii.gz"))
    assert len(paths) > 100
    for path in paths:
        image = read_volume(path)
        original, grid = image.grid, network_grid(image, chosen)
        label = image.voxels.astype(np.uint8)
        for found in label_ceiling(label, original, grid, chosen, ("Anterior", "Posterior")):
            assert found.dsc == 1
            assert found.kept.grid_ml == pytest.approx(found.kept.original_ml, rel=0.01)

"""The engine nnunet, as far as it goes without nnU-Net: layout, tasks and what is refused."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from dicegrad.data.adapters import get_adapter
from dicegrad.data.volumes import read_volume
from dicegrad.engines.nnunet import (
    NnunetSettings,
    check_installed,
    configuration_of,
    environment,
    read_plans,
    run,
)
from dicegrad.engines.nnunet_predict import laid_back, load_weights
from dicegrad.engines.nnunet_raw import image_files, write_labels, write_raw
from dicegrad.engines.nnunet_train import Task, _set_others_aside
from dicegrad.preprocessing.about import About
from dicegrad.preprocessing.prepare import prepare_case
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.study import Experiment, Labeling, Removal
from dicegrad.training import checkpoint
from dicegrad.training.checkpoint import NNUNET_FORMAT
from tests.conftest import find_cases, refusal

CLASSES = ("MYO", "LV")  # in another order than their values
ROW = Experiment("mine", "full", "dice_ce", "BI", "1e-5", 2, "marginal")


@pytest.fixture
def mine(tmp_path):
    """Two cases in nnU-Net's layout, one of them flipped, with an ignored row of voxels."""
    root = tmp_path / "mine"
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True)
    label = np.zeros((4, 6, 8), np.uint8)  # z, y, x
    label[:, 1:3, 1:3], label[:, 3:5, 4:6], label[:, 0, :] = 1, 2, 3
    for number in range(2):
        for path, voxels in (
            (root / "imagesTr" / f"c{number}_0000.nii.gz", label.astype(np.int16) * 10 + 1),
            (root / "labelsTr" / f"c{number}.nii.gz", label),
        ):
            image = sitk.GetImageFromArray(voxels)
            image.SetSpacing((1.0, 2.0, 3.0))
            image.SetDirection((-1.0, 0, 0, 0, 1, 0, 0, 0, 1) if number else np.eye(3).ravel())
            sitk.WriteImage(image, str(path))
    labels = {"background": 0, "LV": 1, "MYO": 2, "ignore": 3}
    about = {"channel_names": {"0": "MRI"}, "labels": labels, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(about))
    return root


@pytest.fixture
def raw(mine, tmp_path):
    folder = tmp_path / "raw"
    adapter = get_adapter("nnunet", mine)
    write_raw(find_cases("nnunet", mine), adapter, CLASSES, folder, print)
    return folder


def labels_in(folder):
    return np.unique(read_volume(folder / "labelsTr" / "c0.nii.gz").voxels).tolist()


def test_labels_are_numbered_as_the_classes_and_images_keep_voxels_and_spacing(mine, raw):
    for name in ("c0", "c1"):
        theirs = read_volume(mine / "labelsTr" / f"{name}.nii.gz").voxels
        ours = read_volume(raw / "labelsTr" / f"{name}.nii.gz")
        np.testing.assert_array_equal(ours.voxels, np.array([0, 2, 1, 3])[theirs])
        image = sitk.ReadImage(str(image_files(raw, name, 1)[0]))
        assert image.GetSpacing() == (1.0, 2.0, 3.0)
        assert image.GetDirection() == tuple(np.eye(3).ravel())
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, 10 * theirs + 1)
    about = json.loads((raw / "dataset.json").read_text())
    assert about["labels"] == {"background": 0, "MYO": 1, "LV": 2, "ignore": 3}


def test_images_of_any_orientation_may_be_brought_to_one(mine, tmp_path):
    cases, adapter = find_cases("nnunet", mine), get_adapter("nnunet", mine)
    write_raw(cases, adapter, CLASSES, tmp_path, print, orientation="RAS")
    first, second = (read_volume(image_files(tmp_path, name, 1)[0]).voxels for name in ("c0", "c1"))
    np.testing.assert_array_equal(first, second[::-1])


@pytest.mark.parametrize("orientation", ["as-is", "RAS"])
def test_what_is_predicted_lies_where_the_original_lies(mine, tmp_path, orientation):
    """nnU-Net reads and writes (z, y, x) with SimpleITK; a perfect prediction is the label."""
    cases, adapter = find_cases("nnunet", mine), get_adapter("nnunet", mine)
    write_raw(cases, adapter, CLASSES, tmp_path, print, orientation=orientation)
    settings = Preprocessing.from_dict(
        {"spacing": [1, 2, 3], "size": [8, 6, 4], "orientation": orientation}
    )
    prepared = {each.case: prepare_case(each, adapter, CLASSES, settings) for each in cases}
    grids = {name: each.grid for name, each in prepared.items()}
    originals = {name: each.original for name, each in prepared.items()}
    about = About(("MRI",), CLASSES, dict(adapter.class_values), 3, grids, originals)
    for name in prepared:
        found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"labelsTr/{name}.nii.gz")))
        theirs = read_volume(mine / "labelsTr" / f"{name}.nii.gz").voxels
        np.testing.assert_array_equal(laid_back(found, name, about), np.array([0, 2, 1, 3])[theirs])


def test_a_labeling_takes_maps_and_slices_away(mine, raw, tmp_path):
    annotated = np.array([[True, False], [True, True]])
    labeling = Labeling("mine", (Removal(slices=2),))
    cases = find_cases("nnunet", mine)
    write_labels(cases, CLASSES, annotated, labeling, raw, tmp_path / "out")
    first = read_volume(tmp_path / "out" / "labelsTr" / "c0.nii.gz").voxels
    assert (first[:, :, 0::2] == 3).all(), "slices that nobody drew are ignored"
    assert set(np.unique(first[:, :, 1::2])) == {0, 1, 3}
    assert (tmp_path / "out" / "imagesTr" / "c0_0000.nii.gz").is_file()
    assert labels_in(raw) == [0, 1, 2, 3], "the full labels stay"


def test_slices_are_taken_from_the_chosen_subjects_alone(mine, raw, tmp_path):
    cases, folder = find_cases("nnunet", mine), tmp_path / "out"
    labeling = Labeling("half", (Removal(share=(0, 0.5), slices=2),))
    write_labels(cases, CLASSES, np.ones((2, 2), bool), labeling, raw, folder)
    stayed = [
        np.array_equal(*(read_volume(f / "labelsTr" / f"{c.case}.nii.gz").voxels for f in each))
        for c in cases
        for each in [(raw, folder)]
    ]
    assert sorted(stayed) == [False, True]


def test_a_case_that_cannot_be_used_is_named(mine, tmp_path):
    (mine / "labelsTr" / "c1.nii.gz").write_bytes(b"no image")
    cases = find_cases("nnunet", mine)
    adapter = get_adapter("nnunet", mine)
    said = refusal(write_raw, cases, adapter, CLASSES, tmp_path / "raw", print)
    assert said.startswith(f"case c1: {mine / 'labelsTr' / 'c1.nii.gz'}")


def test_a_task_holds_the_row_the_folds_and_what_is_annotated(mine):
    cases = find_cases("nnunet", mine) * 2
    annotated = np.array([[True, True], [True, False], [False, False], [True, True]])
    held_out = [False, True, False, False]
    task = Task.of(
        ROW, cases, held_out, {"all": 2}, annotated, CLASSES, 1e-5, NnunetSettings(), seed=1
    )
    assert task.train == ("c0", "c0", "c0", "c0", "c1", "c1")
    assert task.validation == ("c1",)
    assert task.annotated == {"c1": ("MYO",), "c0": ()}
    assert Experiment(**Task.from_dict(json.loads(json.dumps(vars(task)))).experiment) == ROW


def test_a_checkpoint_of_another_task_is_set_aside(tmp_path):
    folder = tmp_path / "nnunet"
    _set_others_aside(folder, {"epochs": 1}, print)
    (folder / "checkpoint_latest.pth").touch()
    _set_others_aside(folder, {"epochs": 1}, print)
    assert (folder / "checkpoint_latest.pth").exists()
    _set_others_aside(folder, {"epochs": 2}, print)
    assert not (folder / "checkpoint_latest.pth").exists()
    assert (tmp_path / "nnunet.set-aside" / "checkpoint_latest.pth").exists()


def test_what_cannot_be_used_is_said_in_one_line(tmp_path):
    assert refusal(NnunetSettings.from_dict, {"epoch": 1}) == (
        "nnunet: unknown key epoch; did you mean 'epochs'?"
    )
    (tmp_path / "plans.json").write_text("{")
    assert "delete it to plan again" in refusal(read_plans, tmp_path / "plans.json")
    said = refusal(configuration_of, {"configurations": {"2d": {}}}, "3d_lowres")
    assert said.endswith("has not planned for these images; it has 2d")
    assert "train it" in refusal(load_weights, tmp_path / "weights.pt")
    torch.save({"format": "another"}, tmp_path / "weights.pt")
    assert "its format is 'another'" in refusal(load_weights, tmp_path / "weights.pt")
    torch.save({"format": NNUNET_FORMAT}, tmp_path / "weights.pt")
    said = refusal(checkpoint.load_weights, tmp_path / "weights.pt")
    assert said.startswith(f"{tmp_path / 'weights.pt'}: holds weights of the engine nnunet")


def test_a_command_that_fails_is_told_by_its_last_line(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    lines = []
    how = {"folder": tmp_path, "threads": 1, "report": lines.append}
    code = "import os; print(os.environ['nnUNet_raw']); raise ValueError('no such planner')"
    said = refusal(lambda: run("python", "-c", code, **how))
    assert said.startswith("python failed: ValueError: no such planner")
    assert str(tmp_path / "raw") in lines
    assert "pip install '.[nnunet]'" in refusal(lambda: run("nnUNetv2_no", **how))


def test_one_thread_augments_in_its_own_process(tmp_path):
    assert environment(tmp_path, 1)["nnUNet_n_proc_DA"] == "0"
    assert environment(tmp_path, 6)["nnUNet_n_proc_DA"] == "6"


@pytest.mark.skipif(find_spec("nnunetv2") is not None, reason="nnU-Net is installed")
def test_without_nnunet_the_line_says_what_to_install():
    assert refusal(check_installed, "mine") == (
        "dataset mine: engine is nnunet, but nnunetv2 is not installed here; "
        "pip install '.[nnunet]', or run snakemake with --sdm conda"
    )

"""Classes that overlap, from files to scores: one sigmoid map each."""

import json

import numpy as np
import pytest

from dicegrad.data.adapters import get_adapter
from dicegrad.data.cases import write_cases
from dicegrad.data.volumes import read_volume
from dicegrad.evaluation.scores import score_case
from dicegrad.files import write_table
from dicegrad.prediction.ceiling import dataset_ceiling
from dicegrad.prediction.inference import overlapping, predict_cases, probabilities
from dicegrad.prediction.restoration import restore
from dicegrad.preprocessing.about import read_about
from dicegrad.preprocessing.prepare import prepare_dataset
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.study import Experiment
from dicegrad.training.checkpoint import load_weights
from dicegrad.training.experiment import PreparedFiles, train_experiment
from dicegrad.training.trained import Source
from tests.layouts import anatomy, nifti

CLASSES = ("both", "small")
NETWORK = {
    "encoder": [[8, 8], [16, 16]],
    "decoder": [[8, 8]],
    "kernels": [[3, 3, 3], [3, 3, 3]],
    "pools": [[2, 2, 1]],
    "background": 0.9,
}
GRID = {"spacing": [2, 2, 4], "size": [20, 18, 8], "crop": "snap"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four cases as nnU-Net writes regions, prepared."""
    root = tmp_path_factory.mktemp("regions")
    about = {
        "channel_names": {"0": "MR"},
        "labels": {"background": 0, "both": [1, 2], "small": [2]},
        "regions_class_order": [1, 2],
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(about))
    for number in range(4):
        image, label = anatomy(number)
        nifti(root / "imagesTr" / f"c{number}_0000.nii.gz", image)
        nifti(root / "labelsTr" / f"c{number}.nii.gz", label)
    adapter = get_adapter("nnunet", root)
    cases = adapter.scan(root).cases
    write_cases(root / "cases.tsv", cases, adapter.channels)
    folds = [{"subject": case.case, "fold": n % 2} for n, case in enumerate(cases)]
    write_table(folds, root / "folds.tsv")
    files = [root / name for name in ("images.npy", "labels.npy", "prepared.json")]
    prepare_dataset(cases, adapter, CLASSES, Preprocessing.from_dict(GRID), *files)
    return root


@pytest.fixture(scope="module")
def network(folder):
    adapter = get_adapter("nnunet", folder)
    source = Source(adapter.channels, CLASSES, adapter.class_values, Preprocessing.from_dict(GRID))
    settings = {
        "classes": list(CLASSES),
        "fold_count": 2,
        "network": NETWORK,
        "training": {"epochs": 40, "passes": 1, "learning_rate": 0.01},
        "sampling": {},
        "source": source.to_dict(),
    }
    files = (folder / name for name in ("cases.tsv", "folds.tsv", "images.npy", "labels.npy"))
    row = Experiment("mine", "full", "dice_ce", "I", "1", 2)
    return train_experiment(row, 0, PreparedFiles(*files), settings, "s", 0, folder / "out")


def test_the_ceiling_of_overlapping_classes(folder):
    adapter = get_adapter("nnunet", folder)
    cases = adapter.scan(folder).cases
    found = dataset_ceiling(cases, adapter, CLASSES, Preprocessing.from_dict(GRID))
    assert {each.kept.name for each in found} == set(CLASSES)
    assert all(each.dsc == 1 for each in found)  # this grid has the voxels of the images


def test_both_classes_are_learnt_and_may_lie_in_one_voxel(folder, network):
    assert overlapping(network)
    about = read_about(folder / "prepared.json")
    images = np.load(folder / "images.npy")
    share = probabilities(network, images[0])
    assert len(share) == 3
    assert share[1:].sum(axis=0).max() > 1.5  # a softmax could not
    out = folder / "predictions"
    out.mkdir(exist_ok=True)
    names = list(about.grids)
    predict_cases(network, names[:1], images[:1], about, "linear", out)
    truth = folder / "labelsTr" / f"{names[0]}.nii.gz"
    found = out / f"{names[0]}.nii.gz"
    assert set(np.unique(read_volume(found).voxels)) <= {0, 1, 2}
    scores = score_case(found, truth, about.class_values, surfaces=False)
    assert [row["class"] for row in scores] == list(CLASSES)
    assert min(row["dsc"] for row in scores) > 0.8


def test_weights_say_that_their_maps_overlap(folder, network):
    weights = load_weights(folder / "out" / "weights.pt")
    assert weights.trained.network["overlapping"] is True
    assert weights.trained.network["out_channels"] == len(CLASSES)


def test_a_map_of_bits_comes_back_as_it_is(folder):
    about = read_about(folder / "prepared.json")
    (name, grid), label = next(iter(about.grids.items())), np.load(folder / "labels.npy")[0]
    assert set(np.unique(label)) == {0, 0b01, 0b11}
    back = restore(label, grid, about.originals[name].grid, overlapping=True)
    np.testing.assert_array_equal(back, label)

"""Cases of phantoms, prepared as the workflow does it and predicted as if they were new."""

import re
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from dicegrad.data.adapters import get_adapter
from dicegrad.data.phantoms import write_phantom
from dicegrad.data.volumes import read_volume
from dicegrad.errors import InputError
from dicegrad.prediction.inference import load_network, mean_probabilities, predict_cases
from dicegrad.prediction.model import Model, place_grid
from dicegrad.prediction.new_cases import predict_all, predict_images
from dicegrad.prediction.new_images import read_images
from dicegrad.prediction.restoration import restore
from dicegrad.preprocessing.about import read_about
from dicegrad.preprocessing.prepare import prepare_dataset
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.training.network import NetworkSettings, UNet
from tests.conftest import find_cases, refusal

NETWORK = {
    "encoder": [[2, 2], [4, 4]],
    "decoder": [[2, 2]],
    "kernels": [[3, 3, 3], [3, 3, 1]],
    "pools": [[2, 2, 1]],
}
# As config/datasets/acdc.yaml and brats.yaml have them, but for the grid and BRATS's crop.
PREPROCESSING = {
    "heart": {
        "spacing": [6, 6, 10],
        "size": [16, 16, 6],
        "normalisation": {"over": "whole", "clip": ["1/101", "100/101"]},
    },
    "tumor": {
        "spacing": [2, 2, 2],
        "size": [8, 8, 8],
        "crop": "foreground",
        "label": "linear",
        "normalisation": {"over": "nonzero"},
        "restoration": "nearest",
    },
}
CLASSES = {"heart": ("LV", "MYO", "RV"), "tumor": ("tumor",)}


class Study:
    """A phantom, its settings, and networks whose weights nobody has trained."""

    def __init__(self, folder, kind):
        self.kind, self.folder = kind, folder
        name = {"heart": "acdc", "tumor": "brats"}[kind]
        self.adapter = get_adapter(name, folder / "data")
        write_phantom(kind, folder / "data", subjects=1, seed=0, shape=(24, 24, 12))
        self.cases = find_cases(name, folder / "data")
        self.classes = CLASSES[kind]
        self.preprocessing = Preprocessing.from_dict(PREPROCESSING[kind])
        channels = len(self.adapter.channels)
        self.network = NetworkSettings.from_dict(NETWORK, channels, len(self.classes))
        self.weights = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            self.weights.append(folder / f"weights{seed}.pt")
            torch.save(UNet(self.network).state_dict(), self.weights[-1])

    def model(self, count=1):
        networks = tuple(load_network(self.network, path, "cpu") for path in self.weights[:count])
        return Model(networks, self.preprocessing, self.classes, self.adapter.class_values)

    def prepared(self):
        """The first image, and what is known of all, from the files that the workflow writes."""
        files = [self.folder / name for name in ("images.npy", "labels.npy", "prepared.json")]
        given = (self.cases, self.adapter, self.classes, self.preprocessing)
        prepare_dataset(*given, *files)
        return np.load(files[0], mmap_mode="r")[0], read_about(files[2])

    def new(self):
        """The images of the first case alone, under other names; no label is in reach."""
        folder = self.folder / "new"
        folder.mkdir(exist_ok=True)
        pairs = [(path, folder / f"x_{i:04d}.nii.gz") for i, path in enumerate(self.images)]
        return tuple(shutil.copy(source, target) for source, target in pairs)

    @property
    def images(self):
        return self.cases[0].images


@pytest.fixture(params=["heart", "tumor"])
def study(request, tmp_path):
    return Study(tmp_path, request.param)


def test_a_new_image_is_segmented_as_the_workflow_segments_the_same_case(study, tmp_path):
    image, about = study.prepared()
    network = load_network(study.network, study.weights[0])
    case, way_back = study.cases[0].case, study.preprocessing.restoration
    new = study.new()
    shutil.rmtree(tmp_path / "data")
    predict_cases(network, [case], [image], about, way_back, tmp_path / "workflow")
    volumes = predict_images(study.model(), "x", read_images(new, study.model()), tmp_path / "out")
    path = tmp_path / "out" / "x.nii.gz"
    assert path.read_bytes() == (tmp_path / "workflow" / f"{case}.nii.gz").read_bytes()
    label = nib.load(path)
    voxel = np.prod(label.header.get_zooms()) / 1000
    for name in study.classes:
        count = np.sum(np.asarray(label.dataobj) == study.adapter.class_values[name][0])
        assert volumes[name] == pytest.approx(count * voxel)
    assert sum(volumes.values()) > 0


def test_several_networks_vote_with_their_probabilities(study, tmp_path):
    image, about = study.prepared()
    grid = about.grids[study.cases[0].case]
    model = study.model(2)
    prepared = read_images(study.images, study.model())
    predict_images(model, "x", prepared, tmp_path / "both")
    original = read_volume(study.images[0]).grid
    mean = mean_probabilities(model.networks, image)
    expected = restore(mean, grid, original, study.preprocessing.restoration)
    values = [0, *(study.adapter.class_values[name][0] for name in study.classes)]
    written = np.asarray(nib.load(tmp_path / "both" / "x.nii.gz").dataobj)
    np.testing.assert_array_equal(written, np.array(values)[expected])
    for each in model.networks:
        predict_images(replace(model, networks=(each,)), "x", prepared, tmp_path / "one")
        alone = np.asarray(nib.load(tmp_path / "one" / "x.nii.gz").dataobj)
        assert (alone != written).any()


def test_written_probabilities_are_those_that_the_label_map_is_chosen_by(study, tmp_path):
    prepared = read_images(study.images, study.model())
    predict_images(study.model(2), "x", prepared, tmp_path, probabilities=True)
    label = nib.load(tmp_path / "x.nii.gz")
    maps = [nib.load(tmp_path / "probabilities" / f"x_{name}.nii.gz") for name in study.classes]
    assert all(np.allclose(each.affine, label.affine) for each in maps)
    shares = np.stack([each.get_fdata() for each in maps])
    assert shares.min() >= 0
    assert shares.sum(axis=0).max() <= 1 + 1e-5
    background = 1 - shares.sum(axis=0)
    values = [study.adapter.class_values[name][0] for name in study.classes]
    clear = np.abs(shares.max(axis=0) - background) > 1e-3
    chosen = np.where(shares.max(axis=0) > background, np.array(values)[shares.argmax(axis=0)], 0)
    np.testing.assert_array_equal(np.asarray(label.dataobj)[clear], chosen[clear])
    assert clear.mean() > 0.9


@pytest.mark.parametrize(
    "classes", [("a b", "a_b", "A.b"), ("gut/肝", "gut_肝", "脾"), ("a/b", "A b", "c")]
)
def test_no_two_probabilities_are_one_file(tmp_path, classes):
    study = Study(tmp_path, "heart")
    model = replace(
        study.model(),
        classes=classes,
        class_values={name: (value,) for value, name in enumerate(classes, 1)},
    )
    predict_all(model, {"x": study.images}, tmp_path / "out", True, lambda line: None)
    assert len({p.name.casefold() for p in (tmp_path / "out" / "probabilities").iterdir()}) == 3


def test_probabilities_of_two_cases_that_would_be_one_file_are_refused(tmp_path):
    study = Study(tmp_path, "heart")
    images = {"x": study.images, "x_LV": study.images}
    model = replace(study.model(), classes=("LV_MYO", "MYO", "RV"))
    fault = refusal(predict_all, model, images, tmp_path / "out", True, print)
    assert "probabilities/x_lv_myo.nii.gz: would hold a class of two cases" in fault
    assert not (tmp_path / "out").exists()


def test_an_image_that_cannot_be_used_does_not_stop_the_others(study, tmp_path):
    new = study.new()
    image = nib.load(new[0])
    voxels = image.get_fdata().astype(np.float32)
    voxels[0, 0, 0] = np.nan
    nib.save(nib.Nifti1Image(voxels, image.affine), new[0])
    lines = []
    images = {"bad": new, "good": study.images}
    bad, good = predict_all(study.model(), images, tmp_path / "out", False, lines.append)
    assert bad.file is None
    assert re.search(r"x_0000.nii.gz: 1 of \d+ voxels are NaN", bad.doubts[0])
    assert good.file == tmp_path / "out" / "good.nii.gz"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.nii.gz"]
    assert lines[0] == "bad  cannot be used"
    assert lines[1].startswith(f"good  {study.classes[0]} ")


def test_an_image_that_normalisation_flattens_is_predicted_and_marked(tmp_path):
    study = Study(tmp_path, "heart")
    window = {"window": [1e6, 2e6], "mean": 1e6, "std": 1.0}
    values = {**PREPROCESSING["heart"], "normalisation": window}
    model = replace(study.model(), preprocessing=Preprocessing.from_dict(values))
    lines = []
    (done,) = predict_all(model, {"x": study.images}, tmp_path / "out", False, lines.append)
    assert done.file.is_file()
    assert "  ! channel 1 of 1 has one value in 999 of 1000 voxels" in lines[0]


def test_a_grid_on_the_true_label_is_placed_otherwise_or_not_at_all():
    brats = Preprocessing.from_dict({**PREPROCESSING["tumor"], "crop": "label"})
    with pytest.raises(InputError, match=r"b.yaml: preprocessing.crop is label, .* add --crop"):
        place_grid(brats, None, "b.yaml")
    assert place_grid(brats, "foreground", "b.yaml") == replace(brats, crop="foreground")
    centred = replace(brats, crop="center")
    assert place_grid(centred, None, "b.yaml") == place_grid(centred, "center", "b.yaml") == centred
    with pytest.raises(InputError, match="crop is foreground, but the networks were trained with"):
        place_grid(centred, "foreground", "b.yaml")

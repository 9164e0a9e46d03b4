"""`dicegrad predict WEIGHTS... IMAGES OUT`: no dataset file, and images of any kind."""

import json
from dataclasses import asdict

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from dicegrad.training.checkpoint import save_weights
from dicegrad.training.network import NetworkSettings, UNet
from dicegrad.training.seen import Seen
from dicegrad.training.trained import Source
from tests.cli.conftest import run
from tests.conftest import trained_as

NETWORK = {
    "encoder": [[4], [4]],
    "decoder": [[4]],
    "kernels": [[3, 3, 3]],
    "pools": [[2, 2, 1]],
}
PREPROCESSING = {"spacing": [2, 2, 4], "size": [16, 16, 8], "normalisation": {"over": "nonzero"}}
RAS = np.diag([2.0, 2.0, 4.0, 1.0])


def write_weights(path, seed=0, seen=("RAS",), fold=0, unplaced=None, **preprocessing):
    """Weights that nobody has trained, but that say all that trained ones say."""
    torch.manual_seed(seed)
    network = NetworkSettings.from_dict(NETWORK, 1, 2)
    source = {"channels": ["MR"], "classes": ["head", "tail"], "class_values": {}}
    source["class_values"] = {"head": [1], "tail": [2]}
    source["preprocessing"] = PREPROCESSING | preprocessing
    trained = trained_as(
        dataset="hippocampus",
        experiment={"phi": "I"},
        fold=fold,
        study="mine",
        network=asdict(network),
        source=Source.from_dict(source),
        seen=Seen(tuple(map(direction, seen)), 0.0, unplaced) if seen else None,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_weights(UNet(network).state_dict(), trained, path)
    return path


def direction(orientation):
    """Of a grid whose axes run towards these ends of the body."""
    ends = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
    axes = np.zeros((3, 3))
    for column, letter in enumerate(orientation):
        row, sign = ends[letter]
        axes[row, column] = sign
    return tuple(axes.ravel().tolist())


def write_image(path, size=(16, 16, 8), affine=RAS, voxels=None):
    if voxels is None:
        voxels = np.random.default_rng(0).normal(100, 20, size)
        voxels[4:10, 6:12, 2:5] += 150
    nib.save(nib.Nifti1Image(voxels.astype(np.float32), affine), path)
    return path


def stored_as(source, path, orientation):
    """The same image, its axes in another order and direction."""
    image = nib.load(source)
    now, wanted = io_orientation(image.affine), axcodes2ornt(tuple(orientation))
    nib.save(image.as_reoriented(ornt_transform(now, wanted)), path)
    return path


def label_of(path, orientation="RAS"):
    """The voxels of a label map with its axes in a given order and direction."""
    image = nib.load(path)
    now, wanted = io_orientation(image.affine), axcodes2ornt(tuple(orientation))
    return np.asarray(image.as_reoriented(ornt_transform(now, wanted)).dataobj)


@pytest.fixture
def weights(tmp_path):
    return write_weights(tmp_path / "weights.pt")


def predict(capsys, *words):
    return run(capsys, "predict", *words, "--device", "cpu")


def test_the_weights_are_all_that_is_needed(capsys, weights, tmp_path):
    image = write_image(tmp_path / "a.nii.gz")
    code, out, err = predict(capsys, weights, image, tmp_path / "out")
    assert (code, err) == (0, "")
    assert out.startswith("1/1  a  head ")
    assert set(np.unique(label_of(tmp_path / "out" / "a.nii.gz"))) == {0, 1, 2}


@pytest.mark.parametrize("orientation", ["LPS", "SPL", "AIR"])
def test_the_same_anatomy_stored_in_another_order_gets_the_same_label_map(
    capsys, weights, tmp_path, orientation
):
    image = write_image(tmp_path / "a.nii.gz")
    turned = stored_as(image, tmp_path / "turned.nii.gz", orientation)
    words = (weights, image, turned, tmp_path / "out", "--probabilities")
    code, out, err = predict(capsys, *words)
    assert (code, err) == (0, "")
    assert f"axes brought from {orientation} to RAS" in out.splitlines()[1]
    for kind in ("{}.nii.gz", "probabilities/{}_tail.nii.gz"):
        one, other = (tmp_path / "out" / kind.format(name) for name in ("a", "turned"))
        np.testing.assert_array_equal(label_of(one), label_of(other))
    written = sitk.ReadImage(tmp_path / "out" / "turned.nii.gz")
    given = sitk.ReadImage(turned)
    assert written.GetSize() == given.GetSize()
    assert written.GetOrigin() == given.GetOrigin()
    assert written.GetDirection() == given.GetDirection()
    np.testing.assert_array_equal(
        nib.load(tmp_path / "out" / "turned.nii.gz").affine, nib.load(turned).affine
    )


def test_an_orientation_that_the_networks_were_trained_on_stays(capsys, tmp_path):
    weights = write_weights(tmp_path / "weights.pt", seen=("RAS", "LPS"))
    image = stored_as(write_image(tmp_path / "a.nii.gz"), tmp_path / "b.nii.gz", "LPS")
    code, out, _ = predict(capsys, weights, image, tmp_path / "out")
    assert code == 0
    assert "axes brought" not in out


def write_unplaced(path):
    nib.save(nib.Nifti1Image(np.random.default_rng(0).normal(size=(16, 16, 8)), None), path)
    return path


@pytest.mark.parametrize("orientation", ["as-is", "RAS"])
@pytest.mark.parametrize(
    ("seen", "unplaced"), [("SPL", None), ("RAS", None), ("SPL", False), ("LPS", False)]
)
def test_an_image_without_a_place_is_refused_where_its_orientation_matters(
    capsys, tmp_path, seen, unplaced, orientation
):
    given = {"seen": (seen,), "unplaced": unplaced, "orientation": orientation}
    weights = write_weights(tmp_path / "weights.pt", **given)
    image = write_unplaced(tmp_path / "a.nii.gz")
    code, _, err = predict(capsys, weights, image, tmp_path / "out")
    assert (code, err.count("\n")) == (1, 1)
    assert (
        f"a.nii.gz: says nothing of its orientation, and the networks were trained on {seen}" in err
    )


@pytest.mark.parametrize("orientation", ["as-is", "RAS"])
@pytest.mark.parametrize("unplaced", [True, None])
def test_networks_trained_on_images_without_a_place_take_such_an_image(
    capsys, tmp_path, unplaced, orientation
):
    # The axes that are made up for such a file read as LPS.
    given = {"seen": ("LPS",), "unplaced": unplaced, "orientation": orientation}
    weights = write_weights(tmp_path / "weights.pt", **given)
    image = write_unplaced(tmp_path / "a.nii.gz")
    code, out, err = predict(capsys, weights, image, tmp_path / "out")
    assert (code, err) == (0, "")
    assert "axes brought" not in out


def test_another_spacing_is_resampled_and_comes_back(capsys, weights, tmp_path):
    image = write_image(tmp_path / "a.nii.gz")
    fine = nib.load(image)
    voxels = np.repeat(fine.get_fdata(), 2, axis=0)
    write_image(tmp_path / "fine.nii.gz", affine=np.diag([1.0, 2.0, 4.0, 1.0]), voxels=voxels)
    code, _, _ = predict(capsys, weights, image, tmp_path / "fine.nii.gz", tmp_path / "out")
    assert code == 0
    one, other = (label_of(tmp_path / "out" / f"{name}.nii.gz") for name in ("a", "fine"))
    assert other.shape == (32, 16, 8)
    # Half a voxel aside: the first of two thin voxels lies before the middle of the thick one.
    assert (np.repeat(one, 2, axis=0) == other).mean() > 0.7


def test_a_folder_of_an_experiment_stands_for_its_folds(capsys, tmp_path):
    folds = [
        write_weights(tmp_path / "row" / f"fold~{fold}" / "weights.pt", fold, fold=fold)
        for fold in (0, 1)
    ]
    image = write_image(tmp_path / "a.nii.gz")
    assert predict(capsys, *folds, image, tmp_path / "files")[0] == 0
    assert predict(capsys, tmp_path / "row", image, tmp_path / "folder")[0] == 0
    one, other = (tmp_path / folder / "a.nii.gz" for folder in ("files", "folder"))
    assert one.read_bytes() == other.read_bytes()
    assert predict(capsys, folds[0], image, tmp_path / "single")[0] == 0
    assert one.read_bytes() != (tmp_path / "single" / "a.nii.gz").read_bytes()


def test_the_share_that_the_grid_does_not_reach_is_told(capsys, weights, tmp_path):
    image = write_image(tmp_path / "a.nii.gz", (32, 16, 8))
    code, out, err = predict(capsys, weights, image, tmp_path / "out")
    assert code == 0
    assert "  ! 50% of the image lies outside of the networks' grid" in out
    assert err.startswith("look at the label map of a before you use them")
    outside = label_of(tmp_path / "out" / "a.nii.gz")[[*range(8), *range(24, 32)]]
    assert not outside.any()


def test_a_window_slides_over_an_image_that_is_larger(capsys, weights, tmp_path):
    small = write_image(tmp_path / "small.nii.gz")
    large = np.full((40, 32, 12), 100.0)
    large += np.random.default_rng(1).normal(0, 20, large.shape)
    large[12:28, 8:24, 2:10] = nib.load(small).get_fdata()
    write_image(tmp_path / "large.nii.gz", voxels=large)
    words = (weights, small, tmp_path / "large.nii.gz", tmp_path / "out", "--window", "slide")
    code, out, err = predict(capsys, *words)
    assert (code, err) == (0, "")
    assert "outside" not in out
    label = label_of(tmp_path / "out" / "large.nii.gz")
    assert label.shape == large.shape
    assert all(label[part].any() for part in (np.s_[:8], np.s_[32:], np.s_[:, :6], np.s_[..., 10:]))
    # Where the image fits the grid, sliding changes nothing.
    assert predict(capsys, weights, small, tmp_path / "grid")[0] == 0
    one, other = (tmp_path / folder / "small.nii.gz" for folder in ("out", "grid"))
    assert one.read_bytes() == other.read_bytes()


def test_json_says_what_was_predicted(capsys, weights, tmp_path):
    image = write_image(tmp_path / "a.nii.gz", (32, 16, 8))
    code, out, _ = predict(capsys, weights, image, tmp_path / "out", "--json")
    assert code == 0
    (case,) = json.loads(out)["cases"]
    assert case["case"] == "a"
    assert case["outside"] == pytest.approx(0.5)
    label = label_of(case["file"])
    for value, name in ((1, "head"), (2, "tail")):
        assert case["volumes_ml"][name] == pytest.approx(np.sum(label == value) * 16 / 1000)
    assert (len(case["notes"]), len(case["doubts"])) == (0, 1)


def test_a_label_map_is_no_image(capsys, weights, tmp_path):
    label = np.zeros((16, 16, 8))
    label[3:12, 3:9, 2:6], label[4:8, 3:9, 2:6] = 1, 7
    write_image(tmp_path / "label.nii.gz", voxels=label)
    image = write_image(tmp_path / "a.nii.gz")
    words = (weights, image, tmp_path / "label.nii.gz", tmp_path / "out")
    code, out, err = predict(capsys, *words)
    assert (code, err.count("\n")) == (1, 1)
    assert "label.nii.gz: looks like a label map: it holds 3 whole numbers (0, 1, 7) in" in err
    assert "label  cannot be used" in out
    assert (tmp_path / "out" / "a.nii.gz").exists()


def test_images_of_eight_bits_are_images(capsys, weights, tmp_path):
    voxels = np.random.default_rng(0).integers(0, 200, (16, 16, 8))
    voxels[:8] = 0
    write_image(tmp_path / "a.nii.gz", voxels=voxels)
    assert predict(capsys, weights, tmp_path / "a.nii.gz", tmp_path / "out")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.nii.gz", "out"], "a.nii.gz: no weights; name the weights.pt of a training run"),
        (["weights.pt", "out"], "no folder for label maps; write dicegrad predict WEIGHTS..."),
        (["weights.pt"], "no images; write dicegrad predict WEIGHTS... IMAGES OUT"),
        (["weights.pt", "a.nii.gz", "out", "--configfile", "x.yaml"], "--configfile goes with a"),
        (["weights.pt", "two", "out"], "case a: has two/a_0001, but the dataset has 1 channel"),
    ],
)
def test_words_that_do_not_fit_are_one_line(capsys, weights, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "a.nii.gz")
    (tmp_path / "two").mkdir()
    for channel in (0, 1):
        write_image(tmp_path / "two" / f"a_{channel:04d}.nii.gz")
    code, out, err = predict(capsys, *words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert not (tmp_path / "out").exists()

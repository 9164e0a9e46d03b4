import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import yaml

from tests.cli.conftest import run
from tests.cli.predicting import (
    SETTINGS,
    change_settings,
    contents,
    predict,
    write_image,
)


def test_a_folder_of_images_becomes_a_folder_of_label_maps_on_their_grids(capsys, place):
    before = contents(place / "new")
    code, out, _ = predict(capsys, place)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("1/2  a  LV ")
    assert lines[1].startswith("2/2  b  LV ")
    assert lines[2:] == [f"{place}/out: 2 label maps written"]
    assert sorted(map(str, contents(place / "out"))) == ["a.nii.gz", "b.nii.gz"]
    for name in ("a", "b"):
        label = nib.load(place / "out" / f"{name}.nii.gz")
        image = nib.load(place / "new" / f"{name}_0000.nii.gz")
        assert label.shape == image.shape
        np.testing.assert_allclose(label.affine, image.affine)
        assert set(np.unique(np.asarray(label.dataobj))) <= {0, 1, 2, 3}
    assert contents(place / "new") == before


def test_files_are_predicted_as_the_folder_that_holds_them(capsys, place):
    predict(capsys, place, "--probabilities")
    files = [place / "new" / f"{name}_0000.nii.gz" for name in ("b", "a")]
    given = ("predict", place / "toy.yaml", *files, place / "files", "--probabilities")
    code, out, _ = run(capsys, *given, "--weights", place / "a.pt", place / "b.pt")
    assert code == 0
    assert out.endswith("2 label maps written\n")
    assert contents(place / "files") == contents(place / "out")
    assert len(contents(place / "out" / "probabilities")) == 6


def test_label_maps_that_are_there_are_kept_and_the_others_follow_where_asked_to(capsys, place):
    predict(capsys, place)
    whole = contents(place / "out")
    (place / "out" / "b.nii.gz").unlink()
    left = contents(place / "out")
    code, _, err = predict(capsys, place)
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(f"error: {place}/out/a.nii.gz: already exists (1 of 2 do); ")
    assert contents(place / "out") == left
    code, out, _ = predict(capsys, place, "--resume")
    assert code == 0
    assert f"{place}/out: 1 of 2 already exist\n1/1  b  LV " in out
    assert out.endswith("1 label map written\n")
    assert contents(place / "out") == whole


def test_an_image_is_never_overwritten(capsys, place):
    image = write_image(place / "heart.nii.gz")
    before = image.read_bytes()
    for words in ([], ["--resume"]):
        code, _, err = predict(capsys, place, *words, source="heart.nii.gz", out=".")
        assert code == 1
        assert err.startswith(f"error: {place}/heart.nii.gz: is an image to predict; name another")
    assert image.read_bytes() == before


def test_a_grid_that_lay_on_the_true_label_is_placed_where_one_says(capsys, place):
    predict(capsys, place)
    change_settings(place, preprocessing=SETTINGS["preprocessing"] | {"crop": "label"})
    code, _, err = predict(capsys, place, out="other")
    assert (code, err.count("\n")) == (1, 1)
    assert "toy.yaml: preprocessing.crop is label" in err
    assert predict(capsys, place, "--crop", "center", out="other")[0] == 0
    assert contents(place / "other") == contents(place / "out")


def test_of_an_nnunet_dataset_its_json_is_all_that_is_read(capsys, place):
    predict(capsys, place)
    (place / "nnunet").mkdir()
    values = {"background": 0, "RV": 9, "LV": 1, "MYO": [5, 6]}
    about = {"channel_names": {"0": "cine"}, "labels": values}
    (place / "nnunet" / "dataset.json").write_text(json.dumps(about))
    missing = {"group": "one that groups.tsv names", "classes": ["MYO"]}
    change_settings(place, adapter="nnunet", root=str(place / "nnunet"), missing=missing)
    code, _, _ = predict(capsys, place, out="other")
    assert code == 0
    acdc, own = (nib.load(place / folder / "a.nii.gz") for folder in ("out", "other"))
    expected = np.array([0, 9, 5, 1])[np.asarray(acdc.dataobj)]
    np.testing.assert_array_equal(np.asarray(own.dataobj), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"classes": ["MYO", "tumor"]},
            "dataset toy: classes names 'tumor'; the classes of",
        ),
        ({"adapter": "nnunet"}, "error: root nowhere: does not exist"),
        ({"network": SETTINGS["network"] | {"encoder": [[4], [2]]}}, "no weights of this network"),
        (
            {"network": SETTINGS["network"] | {"pools": [[2, 3, 1]]}},
            "size [8, 8, 4] cannot be pooled; its y",
        ),
        ({"preprocessing": {"spacing": [2, 2, 4]}}, "preprocessing.size is missing; add it"),
    ],
)
def test_settings_that_do_not_fit_are_one_line_before_anything_is_written(
    capsys, place, changes, message
):
    change_settings(place, **changes)
    code, out, err = predict(capsys, place)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"weights": ["a.pt", "no.pt"]}, "no.pt: no such file; name the weights.pt of a finished"),
        ({"weights": ["toy.yaml"]}, "toy.yaml: holds no weights, or is damaged ("),
        ({"source": "no"}, "no: no such file or folder; name a folder of images, or images"),
        ({"source": "."}, "no image in it; put NAME_0000.nii.gz there"),
        ({"out": "toy.yaml"}, "toy.yaml: is a file; "),
        ({"out": "toy.yaml/out"}, "toy.yaml/out: Not a directory"),
    ],
)
def test_words_that_do_not_fit_are_one_line_before_anything_is_written(
    capsys, place, words, message
):
    before = contents(place)
    code, out, err = predict(capsys, place, **words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert contents(place) == before


def put_in_study(place, dataset, phi, fold):
    """Weights where a study would have them, below `place`."""
    weights = f"dataset~{dataset}/phi~{phi}/fold~{fold}/weights.pt"
    (place / weights).parent.mkdir(parents=True)
    shutil.copy(place / "a.pt", place / weights)
    return weights


def test_weights_of_a_study_are_for_the_dataset_that_their_folder_names(capsys, place):
    weights = put_in_study(place, "other", "I", 0)
    code, _, err = predict(capsys, place, weights=[weights])
    what = (
        f"weights of the dataset other, not of toy; give {place / 'other.yaml'}, or other weights"
    )
    assert (code, err) == (1, f"error: {place / weights}: {what}\n")


def test_folds_of_one_experiment_are_averaged_but_not_two_experiments(capsys, place):
    first, second = (put_in_study(place, "toy", "I", fold) for fold in (0, 1))
    other = put_in_study(place, "toy", "BI", 0)
    code, _, err = predict(capsys, place, weights=[first, other])
    assert (code, err.count("\n")) == (1, 1)
    assert f"{place / other}: weights of another experiment than {place / 'dataset~toy'}" in err
    assert predict(capsys, place, weights=[first, second])[0] == 0


@pytest.mark.parametrize("key", ["adapter", "root", "classes", "preprocessing", "network"])
def test_a_dataset_file_without_a_key_is_one_line(capsys, place, key):
    (place / "toy.yaml").write_text(yaml.safe_dump({k: SETTINGS[k] for k in SETTINGS if k != key}))
    code, _, err = predict(capsys, place)
    assert (code, err) == (1, f"error: {place}/toy.yaml: {key} is missing; add it\n")


def test_images_in_folders_within_are_told(place, capsys):
    (place / "new" / "more").mkdir()
    (place / "new" / "b_0000.nii.gz").rename(place / "new" / "more" / "b_0000.nii.gz")
    code, out, err = predict(capsys, place)
    assert (code, "1 label map written" in out) == (0, True)
    assert err.startswith(f"{place / 'new'}: 1 image in folders within it, such as more/b_0000.nii")

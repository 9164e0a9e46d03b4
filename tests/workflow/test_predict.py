"""The command `dicegrad predict` beside the workflow's own rule."""

import csv
import shutil
import subprocess
import sys

import pytest

from dicegrad.data.cases import read_cases
from dicegrad.data.volumes import read_volume
from tests.workflow.conftest import REPOSITORY

pytestmark = pytest.mark.xdist_group("study")


def held_out_images(study, new):
    """A folder of the images that the first fold holds out, as new ones."""
    resources = study.folder / "resources" / "heart"
    with (resources / "folds.tsv").open() as table:
        folds = {row["subject"]: row["fold"] for row in csv.DictReader(table, delimiter="\t")}
    new.mkdir()
    for case in read_cases(resources / "cases.tsv"):
        if folds[case.subject] == "0":
            shutil.copy(study.folder / case.images[0], new / f"{case.case}_0000.nii.gz")
    return new


def test_a_held_out_case_taken_for_a_new_one_gets_the_label_map_of_the_study(finished, tmp_path):
    new = held_out_images(finished, tmp_path / "new")
    row = "dataset~heart/labeling~full/loss~dice/phi~I/epsilon~1e-7/batch_size~2"
    fold = finished.results / row / "fold~0"
    dataset = REPOSITORY / "config" / "datasets" / "heart.yaml"
    command = [sys.executable, "-m", "dicegrad.cli", "predict", dataset, new, tmp_path / "out"]
    command += ["--weights", fold / "weights.pt", "--configfile", finished.config_file]
    subprocess.run([*command, "--device", "cpu"], cwd=tmp_path, check=True)
    expected = {path.name: path.read_bytes() for path in fold.glob("predictions/*.nii.gz")}
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.nii.gz")} == expected
    assert len(expected) == 4


@pytest.mark.slow
def test_a_window_of_the_dataset_file_slides_in_the_study_and_for_new_images(study, tmp_path):
    """The grid of 12 x 12 sees the middle of each image; the window goes over all of it."""
    row = "dataset~heart/labeling~full/loss~dice/phi~I/epsilon~1e-7/batch_size~2"
    fold = f"results/tiny/{row}/fold~0"
    study.set("preprocessing", {"spacing": [6, 6, 10], "size": [12, 12, 6]})
    study.run(f"{fold}/predictions")
    folder = study.folder / fold / "predictions"
    by_grid = {path.name: read_volume(path).voxels for path in folder.glob("*.nii.gz")}

    study.set("prediction", {"window": "slide"})
    assert study.work(f"{fold}/predictions") == {"predict": 1}  # nothing is trained again
    study.run(f"{fold}/predictions")
    by_window = {path.name: read_volume(path).voxels for path in folder.glob("*.nii.gz")}
    assert by_window.keys() == by_grid.keys()
    assert any((by_window[name] != voxels).any() for name, voxels in by_grid.items())

    # Weights say how the study predicts, so that new images are looked at alike.
    shutil.rmtree(study.folder / "results")
    study.run(f"{fold}/predictions")
    new = held_out_images(study, tmp_path / "new")
    command = [sys.executable, "-m", "dicegrad.cli", "predict", study.folder / fold / "weights.pt"]
    subprocess.run([*command, new, tmp_path / "out", "--device", "cpu"], cwd=tmp_path, check=True)
    expected = {path.name: path.read_bytes() for path in folder.glob("*.nii.gz")}
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.nii.gz")} == expected

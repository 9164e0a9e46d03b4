"""A test set beside the training data: scored by all folds together, and never trained on."""

import shutil

import numpy as np
import pytest
import yaml

from dicegrad.cli import main
from dicegrad.data.volumes import read_volume
from dicegrad.evaluation.metrics import dice
from dicegrad.evaluation.scores import read_scores
from dicegrad.evaluation.test_set import TEST_SCORES
from tests.decathlon import CLASSES, move_to_test, write_decathlon
from tests.workflow.conftest import HEADER, NETWORK, Study
from tests.workflow.test_lost_results import one_error

pytestmark = [pytest.mark.xdist_group("study"), pytest.mark.slow]
ROW = "balls~full/loss~dice/phi~I/epsilon~1e-7/batch_size~2"


@pytest.fixture
def study(tmp_path):
    """Four cases to train on in two folds, two of a test set; in one of them nobody drew a box."""
    write_decathlon(tmp_path / "balls", 6, annotated={4: "ball"})
    move_to_test(tmp_path / "balls", ["scan_004", "scan_005"])
    settings = {
        "adapter": "nnunet",
        "root": "balls",
        "test": True,
        "classes": list(CLASSES),
        "preprocessing": {"spacing": [1, 1, 1.5], "size": [20, 16, 12], "crop": "snap"},
        "folds": {"count": 2, "method": "stratified"},
        "network": NETWORK,
        "training": {"epochs": 2},
    }
    (tmp_path / "config" / "datasets").mkdir(parents=True)
    (tmp_path / "config" / "datasets" / "balls.yaml").write_text(yaml.safe_dump(settings))
    config = {"study": "tiny", "experiments": "experiments.tsv", "device": "cpu"}
    config |= {"outputs": ["test"], "seeds": [0, 1], "draws": 1000}
    made = Study(tmp_path)
    made.config_file.write_text(yaml.safe_dump(config))
    made.table.write_text(HEADER + "balls\tfull\tdice\tI\t1e-7\t2\n")
    return made


def test_a_study_is_scored_on_the_test_set_by_the_networks_of_all_folds(study, capsys, monkeypatch):
    study.run()
    folder = study.results / "dataset~balls/labeling~full/loss~dice/phi~I/epsilon~1e-7/batch_size~2"
    scores = read_scores(study.results / "test_scores.tsv", TEST_SCORES)
    assert set(scores["case"]) == {"scan_004", "scan_005"}
    assert len(scores) == 2 * 2 * 2  # cases, classes, seeds
    cases = (study.folder / "resources/balls/cases.tsv").read_text()
    assert "scan_004" not in cases
    assert "scan_003" in cases

    # As `dicegrad predict` segments them with the folds of the experiment, voxel for voxel.
    monkeypatch.chdir(study.folder)
    assert main(["predict", str(folder), "balls/imagesTs", "by_hand"]) == 0
    for name in ("scan_004", "scan_005"):
        by_hand = read_volume(study.folder / "by_hand" / f"{name}.nii.gz").voxels
        ours = read_volume(folder / "test_predictions" / f"{name}.nii.gz").voxels
        assert np.array_equal(by_hand, ours)
        truth = read_volume(study.folder / "balls/labelsTs" / f"{name}.nii.gz").voxels
        rows = scores[(scores["case"] == name) & (scores["seed"] == 0)].set_index("class")
        for value, each in enumerate(CLASSES, start=1):
            if (name, each) == ("scan_004", "box"):
                assert np.isnan(rows.at[each, "dsc"])
                continue
            assert rows.at[each, "dsc"] == pytest.approx(dice(truth == value, ours == value))

    lines = (study.results / "test.tsv").read_text().splitlines()
    row = dict(zip(lines[0].split("\t"), lines[1].split("\t"), strict=True))
    first = scores[scores["class"] == row["class"]]
    assert float(row["dsc"]) == pytest.approx(first["dsc"].mean())
    assert (row["n"], row["seeds"]) == ("2", "2")
    assert "Held-out test set" in (study.results / "test.html").read_text()
    assert "test_predictions/scan_004.nii.gz" in (study.results / "SHA256SUMS").read_text()
    assert "Nothing to be done" in study.run("-n")

    # A line on a test case scores again, and trains nothing again; one on a training case does.
    table = study.folder / "balls" / "annotated.tsv"
    table.write_text(table.read_text() + "scan_005\tall\n")
    again = study.work()
    assert again["test_cases"] == 1
    assert again["test_evaluate"] == 2
    assert not {"cases", "resample", "train", "predict"} & set(again)
    table.write_text(table.read_text() + "scan_000\tball\n")
    assert study.work()["train"] == 4


def test_a_subject_in_both_is_refused_by_name_before_anything_is_trained(study):
    root = study.folder / "balls"
    for kind in ("images", "labels"):
        shutil.copy(root / f"{kind}Tr" / "scan_002.nii.gz", root / f"{kind}Ts")
    done = study.snakemake()
    assert done.returncode == 1
    line = one_error(done.stderr)
    assert "test case scan_002: its subject scan_002 is in imagesTr too" in line
    assert not list(study.results.rglob("weights.pt"))


def test_the_images_of_a_training_case_under_another_name_are_refused(study):
    root = study.folder / "balls"
    for kind in ("images", "labels"):
        shutil.copy(root / f"{kind}Tr" / "scan_002.nii.gz", root / f"{kind}Ts" / "other.nii.gz")
    line = one_error(study.snakemake("resources/balls/test_cases.tsv").stderr)
    assert "test case other: has an image of the case scan_002 in imagesTr" in line


def test_a_test_set_without_labels_is_one_line(study):
    shutil.rmtree(study.folder / "balls" / "labelsTs")
    done = study.snakemake("-n")
    assert done.returncode == 1
    assert (
        "test is true, but no image of imagesTs has a label in labelsTs"
        in done.stdout + done.stderr
    )


@pytest.mark.parametrize("labels", [True, False])
def test_check_says_what_lies_in_the_test_set(tmp_path, capsys, labels):
    write_decathlon(tmp_path / "balls", 4)
    move_to_test(tmp_path / "balls", ["scan_003"], labels)
    assert main(["check", str(tmp_path / "balls")]) == 0
    out = capsys.readouterr().out
    assert f"imagesTs: 1 images, {int(labels)} with a label in labelsTs: " in out
    assert ("`test: true` in the dataset file" if labels else "not used, since a study") in out

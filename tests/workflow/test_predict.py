"""The command `dicegrad predict` beside the workflow's own rule."""

import csv
import shutil
import subprocess
import sys

import pytest

from dicegrad.data.cases import read_cases
from tests.workflow.conftest import REPOSITORY

pytestmark = pytest.mark.xdist_group("study")


def test_a_held_out_case_taken_for_a_new_one_gets_the_label_map_of_the_study(finished, tmp_path):
    resources = finished.folder / "resources" / "heart"
    with (resources / "folds.tsv").open() as table:
        folds = {row["subject"]: row["fold"] for row in csv.DictReader(table, delimiter="\t")}
    new = tmp_path / "new"
    new.mkdir()
    for case in read_cases(resources / "cases.tsv"):
        if folds[case.subject] == "0":
            shutil.copy(finished.folder / case.images[0], new / f"{case.case}_0000.nii.gz")
    row = "dataset~heart/labeling~full/loss~dice/phi~I/epsilon~1e-7/batch_size~2"
    fold = finished.results / row / "fold~0"
    dataset = REPOSITORY / "config" / "datasets" / "heart.yaml"
    command = [sys.executable, "-m", "dicegrad.cli", "predict", dataset, new, tmp_path / "out"]
    command += ["--weights", fold / "weights.pt", "--configfile", finished.config_file]
    subprocess.run([*command, "--device", "cpu"], cwd=tmp_path, check=True)
    expected = {path.name: path.read_bytes() for path in fold.glob("predictions/*.nii.gz")}
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.nii.gz")} == expected
    assert len(expected) == 4

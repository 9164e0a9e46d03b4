"""A tiny dataset in nnU-Net's raw layout, planned and preprocessed by nnU-Net itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

LABELS = {"background": 0, "LV": 1, "RV": 2}
CASES = tuple(f"case{number}" for number in range(6))
# RV was not looked for in case0, and nothing at all in case1.
ANNOTATED = "case\tannotated\ncase0\tLV\ncase1\tnone\ncase2\tall\n"


def write_raw(folder, annotated=ANNOTATED):
    """Six cases of two balls; those that nobody drew are not in the label."""
    rng = np.random.default_rng(0)
    where = np.moveaxis(np.indices((12, 24, 24)), 0, -1)
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    for case in CASES:
        label = np.zeros(where.shape[:3], np.uint8)
        for value, x in ((1, 7), (2, 16)):
            centre = np.array([6, x, 12]) + rng.integers(-1, 2, 3)
            label[np.linalg.norm(where - centre, axis=-1) < 4] = value
        image = label + rng.normal(0, 0.3, label.shape)
        if annotated and case == "case0":
            label[label == 2] = 0
        if annotated and case == "case1":
            label[:] = 0
        write(folder / "imagesTr" / f"{case}_0000.nii.gz", image.astype(np.float32))
        write(folder / "labelsTr" / f"{case}.nii.gz", label)
    about = {"channel_names": {"0": "MRI"}, "labels": LABELS, "numTraining": len(CASES)}
    (folder / "dataset.json").write_text(json.dumps({**about, "file_ending": ".nii.gz"}))
    if annotated:
        (folder / "annotated.tsv").write_text(annotated)


def write(path, voxels):
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path))


class Folders:
    """nnU-Net's three folders, with Dataset001_heart in the first two."""

    name = "Dataset001_heart"

    def __init__(self, root: Path):
        self.raw, self.preprocessed, self.results = (
            root / name for name in ("raw", "preprocessed", "results")
        )
        self.root = root
        self.environment = {
            "nnUNet_raw": str(self.raw),
            "nnUNet_preprocessed": str(self.preprocessed),
            "nnUNet_results": str(self.results),
            "nnUNet_n_proc_DA": "0",  # no processes; but planning refuses 0
            "nnUNet_def_n_proc": "1",
            "nnUNet_compile": "f",
            "OMP_NUM_THREADS": "1",
        }

    def run(self, command, *arguments, **more):
        """Run one of nnU-Net's own commands; returns what it printed."""
        program = Path(sys.executable).with_name(command)
        environment = {**os.environ, **self.environment, **more}
        done = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    def json(self, name):
        return json.loads((self.preprocessed / self.name / name).read_text())


@pytest.fixture(scope="session")
def heart(tmp_path_factory):
    """The dataset with annotated.tsv, preprocessed in 2d and 3d."""
    pytest.importorskip("nnunetv2", reason="nnU-Net is not installed: make test-interop")
    folders = Folders(tmp_path_factory.mktemp("nnunet"))
    write_raw(folders.raw / folders.name)
    folders.run(
        "nnUNetv2_plan_and_preprocess", "-d", "1", "-c", "2d", "3d_fullres", "-np", "1", "1",
        "-npfp", "1", "--verify_dataset_integrity", nnUNet_n_proc_DA="1",
    )  # fmt: skip
    return folders


@pytest.fixture
def nnunet(heart, monkeypatch):
    """The dataset's folders, which nnU-Net reads from the environment."""
    for name, value in heart.environment.items():
        monkeypatch.setenv(name, value)
    return heart

"""The paper's study, planned on empty files in the layouts of the real data sets."""

import re
import subprocess
import sys

from tests.workflow.conftest import REPOSITORY, jobs

PARTS = ("flair", "t1", "t1ce", "t2", "seg")


def lay_out(folder):
    """285 subjects of BRATS 2018 and 100 patients of ACDC, every file empty."""
    for grade, count in (("HGG", 210), ("LGG", 75)):
        for number in range(count):
            name = f"Brats18_{grade}_{number:03d}_1"
            subject = folder / "data" / "brats2018" / grade / name
            subject.mkdir(parents=True)
            for part in PARTS:
                (subject / f"{name}_{part}.nii.gz").touch()
    for number in range(1, 101):
        name = f"patient{number:03d}"
        patient = folder / "data" / "acdc" / "training" / name
        patient.mkdir(parents=True)
        (patient / "Info.cfg").touch()
        for part in ("01", "01_gt", "12", "12_gt"):
            (patient / f"{name}_frame{part}.nii.gz").touch()


def test_the_paper_is_160_trainings_and_needs_nothing_but_the_two_data_sets(tmp_path):
    lay_out(tmp_path)
    (tmp_path / "config").symlink_to(REPOSITORY / "config")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "-n", "--cores", "1"),
            *("--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(tmp_path)),
            *("--configfile", "config/paper.yaml"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    planned = jobs(done.stdout + done.stderr)
    assert planned["train"] == planned["predict"] == 160
    assert planned["evaluate"] == 32
    assert {rule: planned[rule] for rule in ("cases", "resample", "folds")} == {
        "cases": 2,
        "resample": 2,
        "folds": 2,
    }
    # Two labelings each; epsilon of both data sets under both labelings.
    assert planned["label"] == 2  # full labels are those that were prepared
    assert planned["heuristic"] == planned["count"] == 4
    trainings = re.findall(r"Training (brats|acdc), ", done.stdout + done.stderr)
    assert {name: trainings.count(name) for name in ("brats", "acdc")} == {"brats": 120, "acdc": 40}

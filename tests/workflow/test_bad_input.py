"""Bad input: one clear line, a non-zero exit, and nothing trained."""

import nibabel as nib
import numpy as np
import pytest
import torch

from dicegrad.data.phantoms import write_phantom
from tests.workflow.conftest import HEADER, ROWS


def refusal(study, *arguments) -> str:
    """The one line that a refused study ends with."""
    done = study.snakemake(*arguments)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output
    assert not list(study.folder.rglob("weights.pt"))
    assert not list(study.folder.rglob("train.log"))
    return output


def test_an_unknown_key_of_the_config_is_named(study):
    study.write_config(bach_size=2)
    assert "config.yaml: unknown key bach_size" in refusal(study, "-n")


def test_a_key_twice_in_the_config_is_named_with_its_lines(study):
    study.config_file.write_text(study.config_file.read_text() + "study: other\n")
    assert "key 'study' comes twice (first in line" in refusal(study, "-n")


def test_a_config_that_grows_without_end_through_its_aliases_is_refused(study):
    lines, before = ["bomb:", "  a: &a [x, x, x, x, x, x, x, x, x]"], "a"
    for name in "bcdefghi":
        lines.append(f"  {name}: &{name} [{', '.join(['*' + before] * 9)}]")
        before = name
    study.config_file.write_text(study.config_file.read_text() + "\n".join(lines) + "\n")
    assert "values once its aliases are written out" in refusal(study, "-n")


def test_a_root_with_a_brace_is_named(own_data):
    study, _ = own_data
    (study.folder / "mine").rename(study.folder / "mine{x}")
    changes = study.config()["datasets"]
    study.write_config(datasets={"acdc-lowres": {**changes["acdc-lowres"], "root": "mine{x}"}})
    assert "has a brace in its path, which Snakemake takes for a wildcard" in refusal(study, "-n")


def test_an_unknown_key_of_a_dataset_is_named(study):
    study.set("training", {"learning_rat": 1e-3})
    assert "unknown key training.learning_rat" in refusal(study, "-n")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("heart\tpartial\tdice\tX\t1e-7\t2\n", "phi is 'X'; allowed: I, CI, BI, BCI"),
        ("heart\tpartial\tdice\tI\t-1\t2\n", "epsilon is -1, but Dice of two empty maps needs"),
        ("heart\tpartial\tdice\tI\t1e-7\t0\n", "batch_size is '0'; it must be a whole number"),
        ("heart\tmissing\tdice\tI\t1e-7\t2\n", "labeling is 'missing'; the dataset has full, "),
        ("heart\tpartial\tcross_entropy\tI\t1e-7\t2\n", "write none for both"),
        ("lung\tpartial\tdice\tI\t1e-7\t2\n", "dataset 'lung'"),
        (ROWS.splitlines(keepends=True)[0], "experiment 4 (line 5) repeats experiment 1"),
    ],
)
def test_a_wrong_row_is_named(study, row, message):
    study.table.write_text(HEADER + ROWS + row)
    assert message in refusal(study, "-n")


def test_an_empty_table_is_refused(study):
    study.table.write_text(HEADER)
    assert "experiments.tsv: no experiment in it; add a row" in refusal(study, "-n")


def test_a_root_that_does_not_exist_is_named(study):
    (study.folder / "nowhere").symlink_to("storage")  # which is not mounted, say
    study.write_config(datasets={"acdc-lowres": {"root": "nowhere"}})
    study.table.write_text(HEADER + ROWS.replace("heart", "acdc-lowres"))
    assert "root nowhere: does not exist" in refusal(study, "-n")


@pytest.fixture
def own_data(study):
    """The tiny study on files that lie there already, as a user's do."""
    root = study.folder / "mine"
    write_phantom("heart", root, 4, 0)
    for path in root.rglob(".*.sum"):  # of the phantom; a user's files have none
        path.unlink()
    study.table.write_text(HEADER + ROWS.replace("heart", "acdc-lowres"))
    heart = study.config()["datasets"]["heart"]
    del heart["phantom"]
    study.write_config(datasets={"acdc-lowres": {**heart, "root": "mine", "folds": {"count": 2}}})
    return study, root / "training" / "patient002"


def change(path, edit):
    """Rewrite a NIfTI file with other voxels."""
    image = nib.load(path)
    voxels = edit(np.asanyarray(image.dataobj).astype(np.float32))
    nib.save(nib.Nifti1Image(voxels, image.affine), path)


def with_nan(voxels):
    voxels[3, 3, 3] = np.nan
    return voxels


def with_seven(voxels):
    voxels[3, 3, 3] = 7
    return voxels


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("_frame01.nii.gz", with_nan, "NaN"),
        ("_frame01_gt.nii.gz", with_seven, "7"),
        ("_frame01_gt.nii.gz", lambda voxels: voxels[:-1], "shape"),
        ("_frame01_gt.nii.gz", None, "label"),
        ("_frame01.nii.gz", None, "image"),
    ],
    ids=["nan", "label value", "shapes", "no label", "no image"],
)
def test_a_faulty_file_is_named_before_any_training(own_data, name, edit, message):
    study, patient = own_data
    path = patient / f"{patient.name}{name}"
    if edit is None:
        path.unlink()
    else:
        change(path, edit)
    errors = [line for line in refusal(study).splitlines() if line.startswith("error: ") and line]
    assert errors
    assert patient.name in errors[-1]
    assert message.lower() in errors[-1].lower()


@pytest.mark.slow
def test_a_label_on_other_voxels_makes_a_study_if_the_dataset_says_align(own_data):
    study, patient = own_data
    study.table.write_text(HEADER + "acdc-lowres\tpartial\tdice\tI\t1e-7\t2\n")
    path = patient / f"{patient.name}_frame01_gt.nii.gz"
    label = nib.load(path)
    affine = label.affine.copy()
    affine[0, 3] += 6
    nib.save(nib.Nifti1Image(np.asanyarray(label.dataobj), affine), path)
    assert "set preprocessing.align: true" in refusal(study)
    datasets = study.config()["datasets"]
    datasets["acdc-lowres"]["preprocessing"]["align"] = True
    study.write_config(datasets=datasets)
    study.run()
    assert (study.results / "scores.tsv").is_file()
    assert (study.results / "figures" / "examples_acdc-lowres.png").is_file()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.xdist_group("study")
def test_a_study_that_wants_a_gpu_does_not_train_without_one(rerun):
    weights = next(rerun.results.rglob("weights.pt"))
    weights.unlink()
    rerun.write_config(device="cuda")
    failed = rerun.snakemake(str(weights.relative_to(rerun.folder)))
    assert failed.returncode != 0
    assert "error: device is cuda, but torch finds no GPU here" in failed.stderr
    assert not weights.exists()

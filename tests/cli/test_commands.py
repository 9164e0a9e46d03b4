import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from dicegrad.cli import main
from tests.cli.conftest import run

CONFIG = Path(__file__).parents[2] / "config"
COMMANDS = ["summary", "check", "phantom", "train", "predict"]


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=str)
def test_help_is_there_for_every_command(capsys, words):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {' '.join(['dicegrad', *words])}")
    if not words:
        assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize("words", [[], ["chek"], ["check", "dicom", "data"], ["phantom", "heart"]])
def test_a_wrong_word_ends_with_the_usage(capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: dicegrad" in capsys.readouterr().err


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A phantom written by the command line."""
    root = tmp_path_factory.mktemp("phantom") / "heart"
    assert main(["phantom", "heart", str(root), "--subjects", "2", "--seed", "3"]) == 0
    return root


@pytest.fixture
def heart(made, tmp_path):
    return shutil.copytree(made, tmp_path / "heart")


def test_a_phantom_is_written_and_its_size_is_said(capsys, tmp_path):
    root = tmp_path / "new" / "heart"
    code, out, err = run(capsys, "phantom", "heart", root, "--subjects", 1)
    files = [path for path in root.rglob("*") if path.is_file()]
    assert (code, err) == (0, "")
    assert out == f"{root}: 1 subjects, {len(files)} files\n"


def test_the_seed_of_a_phantom_decides_its_voxels(capsys, tmp_path, made):
    def voxels(root):
        return nib.load(root / "training/patient001/patient001_frame01.nii.gz").get_fdata()

    for name, seed in (("same", 3), ("other", 4)):
        run(capsys, "phantom", "heart", tmp_path / name, "--subjects", 1, "--seed", seed)
    assert np.array_equal(voxels(tmp_path / "same"), voxels(made))
    assert not np.array_equal(voxels(tmp_path / "other"), voxels(made))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--subjects", "0"], "error: phantom: subjects is 0; give a number from 1 to 999\n"),
        (["--seed", "-1"], "error: phantom: seed is -1; give a whole number from 0 up\n"),
    ],
)
def test_a_phantom_that_cannot_be_made_is_one_line(capsys, tmp_path, words, message):
    assert run(capsys, "phantom", "heart", tmp_path / "x", *words) == (1, "", message)
    assert not (tmp_path / "x").exists()


def test_a_phantom_never_lands_on_other_data(capsys, heart):
    _, _, err = run(capsys, "phantom", "heart", heart, "--subjects", 1, "--seed", 4)
    assert err == f"error: {heart}: already exists; name a new or an empty folder\n"
    assert len(list(heart.rglob("patient*"))) == 10  # two folders of four volumes


def test_a_folder_that_cannot_be_made_is_one_line(capsys, tmp_path):
    (tmp_path / "file").touch()
    _, _, err = run(capsys, "phantom", "heart", tmp_path / "file" / "x", "--subjects", 1)
    assert re.fullmatch(rf"error: {tmp_path}/file/x.* not be written .*Not a directory.*\n", err)


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("dicegrad 0.")


def test_a_good_dataset_passes_the_check(capsys, made):
    code, out, err = run(capsys, "check", "acdc", made)
    assert (code, err) == (0, "")
    assert out == f"{made}: 4 cases of 2 subjects (2 ED, 2 ES); all good\n"


def test_progress_of_a_check_goes_to_standard_error_and_starts_at_0(capsys, made, monkeypatch):
    for name, value in (("TTY_COMPATIBLE", "1"), ("TERM", "xterm"), ("COLUMNS", "100")):
        monkeypatch.setenv(name, value)
    code, out, err = run(capsys, "check", "acdc", made, "--jobs", 1)
    assert code == 0
    assert out == f"{made}: 4 cases of 2 subjects (2 ED, 2 ES); all good\n"
    shares = [int(share) for share in re.findall(r"(\d+)%", err)]
    assert (shares[0], shares[-1]) == (0, 100)
    assert shares == sorted(shares)


def dataset_file(folder, root, **preprocessing):
    """The shipped settings of the phantom, for data that lie elsewhere and perhaps another grid."""
    settings = yaml.safe_load((CONFIG / "datasets" / "heart.yaml").read_text())
    settings["root"] = str(root)
    settings["preprocessing"] |= preprocessing
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def with_folds(path, **folds):
    """The same dataset file with other folds."""
    settings = yaml.safe_load(path.read_text())
    settings["folds"] = folds
    path.write_text(yaml.safe_dump(settings))
    return path


def test_folds_that_the_subjects_do_not_fill_are_told_by_the_check(capsys, made, tmp_path):
    path = with_folds(dataset_file(tmp_path, made), count=3, method="stratified")
    code, out, err = run(capsys, "check", path, "--jobs", 1)
    assert (code, out) == (1, "")
    assert err == (
        "error: folds: count is 3, but there are only 2 subjects; write fewer, at least 2\n"
    )
    splits = tmp_path / "splits_final.json"
    splits.write_text('[{"train": [], "val": []}]')
    with_folds(path, count=2, method="listed", file=str(splits))
    code, out, err = run(capsys, "check", path, "--jobs", 1)
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert f"{splits}: `val` of fold 0 is empty" in err


def test_the_check_of_a_dataset_file_says_what_its_grid_keeps(capsys, made, tmp_path):
    path = dataset_file(tmp_path, made)
    code, out, err = run(capsys, "check", path, "--jobs", 1, "--worst", 1)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith("all good")
    assert lines[1] == "grid of 32 x 32 x 8 voxels of 3.0 x 3.0 x 9.0 mm, crop: center"
    table = {line.split()[0]: line.split()[1:] for line in lines[3:6]}
    assert list(table) == ["LV", "MYO", "RV"]
    for cases, mean, lowest, volume, outside in table.values():
        assert cases == "4"
        assert 0.5 < float(lowest) <= float(mean) <= 1
        assert volume.endswith("%")
        assert outside.endswith("%")
    assert lines[6] == "lowest:"
    assert all("of patient00" in line for line in lines[7:])


def test_a_check_as_json_holds_what_its_lines_say(capsys, made, tmp_path):
    path = dataset_file(tmp_path, made)
    code, out, err = run(capsys, "check", path, "--jobs", 1, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["layout"], found["cases"], found["problems"]) == ("acdc", 4, [])
    assert found["groups"] == {"ED": 2, "ES": 2}
    assert found["grid"]["size"] == [32, 32, 8]
    assert len(found["kept"]) == 4 * 3
    assert all(0.5 < each["dsc"] <= 1 for each in found["kept"])


def test_a_check_as_json_names_what_is_wrong_and_fails(capsys, made, tmp_path):
    root = tmp_path / "bad"
    shutil.copytree(made, root)
    next(root.rglob("*_frame01_gt.nii.gz")).unlink()
    code, out, err = run(capsys, "check", "acdc", root, "--json")
    assert code == 1
    (problem,) = json.loads(out)["problems"]
    assert "_frame01_gt.nii.gz" in problem
    assert err == f"error: {problem}\n"


def test_a_narrow_grid_shows_in_the_check(capsys, made, tmp_path):
    path = dataset_file(tmp_path, "not/there", size=[8, 8, 8], crop="snap")
    _, out, _ = run(capsys, "check", path, made, "--jobs", 2)  # the folder replaces the file's
    outside = [line.split()[5] for line in out.splitlines()[3:6]]
    assert all(float(share.rstrip("%")) > 20 for share in outside)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["acdc"], "check acdc: no folder; name it"),
        (["acdc", "data", "--configfile", "x.yaml"], "--configfile needs a dataset file"),
        (["acdc", "data", "--jobs", "0"], "--jobs is 0; it must be at least 1"),
        (["nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_a_check_that_cannot_be_made_is_one_line(capsys, words, message):
    code, out, err = run(capsys, "check", *words)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {message}")
    assert len(err.splitlines()) == 1


def change(path, value):
    """Change one voxel of a file."""
    image = nib.load(path)
    voxels = image.get_fdata().astype(np.float32)
    voxels[5, 5, 0] = value
    nib.save(nib.Nifti1Image(voxels, image.affine), path)


def test_every_fault_of_a_dataset_is_a_line_of_its_own(capsys, heart):
    patients = heart / "training"
    (patients / "patient001" / "patient001_frame01_gt.nii.gz").unlink()
    label = patients / "patient002" / "patient002_frame01_gt.nii.gz"
    change(label, 7)
    change(patients / "patient002" / "patient002_frame09.nii.gz", np.nan)
    code, out, err = run(capsys, "check", "acdc", heart)
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)
    assert "patient001_frame01_gt.nii.gz" in lines[0]
    assert "patient002_frame01_gt.nii.gz" in lines[1]
    assert "label value 7 in 1 voxels" in lines[1]
    assert "patient002_frame09.nii.gz" in lines[2]
    assert "are NaN" in lines[2]


def test_a_folder_without_data_is_one_line(capsys, tmp_path):
    for root in (tmp_path, tmp_path / "no"):
        code, out, err = run(capsys, "check", "acdc", root)
        assert (code, out, len(err.splitlines())) == (1, "", 1)
        assert err.startswith(f"error: root {root}")


def test_the_summary_of_a_folder_without_a_study_is_one_line(capsys, tmp_path):
    code, out, err = run(capsys, "summary", tmp_path)
    assert (code, out) == (1, "")
    assert err == f"error: {tmp_path}/summary.txt: does not exist; run the study to its end first\n"


def test_the_summary_of_a_study_shows_its_text_and_where_things_lie(capsys, tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "summary.txt").write_text("I [partial] learns empty maps\n")
    (folder / "scores.tsv").touch()
    code, out, err = run(capsys, "summary", folder)
    assert (code, err) == (0, "")
    assert "I [partial] learns empty maps" in out  # brackets are text, not markup
    assert "study demo" in out
    assert "scores" in out
    assert "report" not in out


def test_a_package_that_is_not_installed_is_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    code, _, err = run(capsys, "summary", tmp_path)
    assert (code, err) == (1, "error: package rich is missing; pip install '.[workflow]'\n")


def test_the_module_runs_as_a_program(tmp_path):
    command = [sys.executable, "-m", "dicegrad.cli", "summary", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")

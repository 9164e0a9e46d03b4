"""`dicegrad init`: from a folder to the three files of a study that can be read and run."""

import json
import shlex
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml

from dicegrad.checksums import verify_all
from dicegrad.planning import budget
from dicegrad.study import Study
from tests.cli.conftest import run
from tests.decathlon import CLASSES, write_decathlon

FILES = ("config/{}.yaml", "config/datasets/{}.yaml", "config/experiments/{}.tsv")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _one_width(monkeypatch):
    """Steps are timed for real, of the narrowest network alone."""
    monkeypatch.setattr(budget, "WIDTHS", (8,))


def study(name):
    """The study that was written, as the workflow reads it."""
    config = yaml.safe_load(Path(f"config/{name}.yaml").read_text())
    return Study.read(config, f"config/{name}.yaml", Path("config"))


def test_a_decathlon_folder_becomes_a_study(here, capsys):
    write_decathlon(here / "Task99_Balls")
    code, out, _ = run(capsys, "init", "Task99_Balls")
    assert code == 0
    written = study("Task99_Balls")
    dataset = written.datasets["Task99_Balls"]
    assert dataset.classes == CLASSES
    assert dataset.root == Path("Task99_Balls")
    assert dataset.block("preprocessing", "spacing") == [1.0, 1.0, 1.5]
    assert {each.labeling for each in written.experiments} == {"full"}
    command = shlex.split(out.splitlines()[-1])
    assert command[0] == "snakemake"
    assert Path(command[command.index("-s") + 1]).name == "Snakefile"
    assert command[command.index("--configfile") + 1] == "config/Task99_Balls.yaml"


def test_every_setting_says_why(here, capsys):
    write_decathlon(here / "balls")
    run(capsys, "init", "balls", "--study", "mine")
    for file in FILES[:2]:
        for line in Path(file.format("mine")).read_text().splitlines():
            bare = line.endswith(":") or line.startswith("    ")
            assert "# " in line or bare, line


@pytest.mark.parametrize(("count", "share"), [(5, None), (25, 0.1)])
def test_some_subjects_are_set_aside_for_validation_where_there_are_enough(
    here, capsys, count, share
):
    write_decathlon(here / "balls", count)
    run(capsys, "init", "balls")
    assert study("balls").datasets["balls"].block("training").get("validation") == share
    text = Path("config/datasets/balls.yaml").read_text()
    words = (
        "the held-out fold is not looked at" if share else "left out: of 4 training subjects none"
    )
    assert words in text


def test_what_it_writes_may_be_edited(here, capsys):
    write_decathlon(here / "balls")
    run(capsys, "init", "balls")
    for file in FILES:
        path = Path(file.format("balls"))
        path.write_text(path.read_text() + "# mine\n")
    verify_all([Path("config"), Path("config/datasets"), Path("config/experiments")])


def test_the_engine_can_be_nnunet(here, capsys):
    write_decathlon(here / "balls", 25)  # with enough subjects for a setting of the other engine
    code, out, _ = run(capsys, "init", "balls", "--engine", "nnunet")
    assert code == 0
    dataset = study("balls").datasets["balls"]
    assert dataset.engine == "nnunet"
    assert dataset.block("nnunet", "epochs") == 10
    assert dataset.block("nnunet", "checkpoint_epochs") == 1, "a kill costs no more than an epoch"
    assert "nnU-Net plans its own network, so the time is not estimated" in out
    assert "not estimated" in (here / "config" / "balls.yaml").read_text()
    text = (here / "config" / "datasets" / "balls.yaml").read_text()
    assert "Enough to see that it runs, not to segment" in text


def test_regions_are_not_for_the_engine_nnunet(here, capsys):
    root = write_decathlon(here / "balls")
    about = json.loads((root / "dataset.json").read_text())
    about["labels"] = {"background": 0, "whole": [1, 2], "box": 2}
    about["regions_class_order"] = [1, 2]
    (root / "dataset.json").write_text(json.dumps(about))
    code, _, err = run(capsys, "init", "balls", "--engine", "nnunet")
    assert code == 1
    assert err.startswith("error: --engine nnunet: classes of balls share label values")


def test_nothing_that_is_there_is_replaced(here, capsys):
    write_decathlon(here / "balls")
    path = here / "config" / "experiments" / "balls.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("mine\n")
    code, _, err = run(capsys, "init", "balls")
    assert code == 1
    assert err.splitlines() == [
        "error: config/experiments/balls.tsv: already exists; remove it, or give the study another "
        "name with --study"
    ]
    assert path.read_text() == "mine\n"
    assert not (here / "config" / "balls.yaml").exists()


def test_gaps_make_a_study_of_what_a_loss_is_told(here, capsys):
    write_decathlon(here / "balls", annotated={0: "ball", 1: "ball", 2: "ball"})
    assert run(capsys, "init", "balls")[0] == 0
    written = study("balls")
    assert {each.labeling for each in written.experiments} == {"as-annotated", "hidden"}
    assert {each.unannotated for each in written.experiments} == {"as_empty", "ignored", "marginal"}
    (removal,) = written.datasets["balls"].labeling("hidden").removals
    assert removal.classes == ("box",)
    assert removal.share == (0.0, 0.5)


def test_what_is_drawn_against_the_table_of_what_was_annotated_is_refused(here, capsys):
    root = write_decathlon(here / "balls", annotated={0: "ball", 1: "ball"})
    table = root / "annotated.tsv"
    table.write_text(table.read_text().replace("\tball\n", "\tbox\n"))
    code, _, err = run(capsys, "init", "balls")
    assert code == 1
    lines = err.splitlines()
    assert len(lines) == 2
    assert all("voxels of ball, but case" in line for line in lines)


def test_groups_make_a_study_of_partial_labels(here, capsys):
    write_decathlon(here / "balls", groups=("site A", "site B"))
    assert run(capsys, "init", "balls")[0] == 0
    assert study("balls").labelings("balls") == ["full", "partial"]


def test_ct_is_clipped_to_the_intensities_of_what_is_labelled(here, capsys):
    write_decathlon(here / "balls", modality="CT")
    run(capsys, "init", "balls")
    block = study("balls").datasets["balls"].block("preprocessing", "normalisation")
    low, high = block["window"]
    assert 100 < low < block["mean"] < high < 300


def test_the_reason_of_the_normalisation_is_that_of_what_is_written(here, capsys):
    def line_of(name):
        run(capsys, "init", name)
        text = Path(f"config/datasets/{name}.yaml").read_text().splitlines()
        return next(line for line in text if line.startswith("  normalisation:"))

    write_decathlon(here / "one", modality="CT")
    assert "# CT: 0.5 and 99.5 percentile" in line_of("one")
    root = write_decathlon(here / "two", modality="CT")
    for path in (root / "imagesTr").iterdir():
        image = nibabel.load(path)
        voxels = image.get_fdata()
        both = np.stack([voxels, voxels[::-1]], axis=-1).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(both, image.affine), path)
    about = json.loads((root / "dataset.json").read_text())
    about["modality"] = {"0": "CT arterial", "1": "CT portal"}
    (root / "dataset.json").write_text(json.dumps(about))
    line = line_of("two")
    assert "over: nonzero" in line
    assert "over voxels that are not 0" in line


def test_splits_beside_the_data_are_the_folds(here, capsys):
    root = write_decathlon(here / "balls")
    names = [f"scan_{number:03d}" for number in range(6)]
    splits = [
        {"train": names[2:], "val": names[:2]},
        {"train": names[:2], "val": names[2:]},
    ]
    (root / "splits_final.json").write_text(json.dumps(splits))
    assert run(capsys, "init", "balls")[0] == 0
    folds = study("balls").datasets["balls"].folds
    assert (folds.count, folds.method, folds.file) == (2, "listed", "balls/splits_final.json")


def test_classes_can_be_chosen(here, capsys):
    write_decathlon(here / "balls")
    assert run(capsys, "init", "balls", "--classes", "box")[0] == 0
    assert study("balls").datasets["balls"].classes == ("box",)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--classes", "boks"), "--classes has 'boks'; the classes of the data are ball, box"),
        (("--study", "../mine"), "--study is '../mine'; a name begins with a letter or digit"),
        (("--memory", "0"), "--memory is 0.0; it must be above 0, in GB"),
        (("--memory", "0.0001"), "--memory: 0.0001 GB for"),
    ],
)
def test_what_cannot_be_planned_is_one_line(here, capsys, words, line):
    write_decathlon(here / "balls")
    code, _, err = run(capsys, "init", "balls", *words)
    assert code == 1
    assert err.startswith(f"error: {line}")
    assert len(err.splitlines()) == 1
    assert not (here / "config").exists()


def test_a_folder_that_holds_no_data_is_one_line(here, capsys):
    (here / "empty").mkdir()
    code, _, err = run(capsys, "init", "empty")
    assert code == 1
    assert "root empty: unknown layout" in err

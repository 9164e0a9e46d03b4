"""What nobody drew in a case of a test set has no score there, as in training."""

import shutil

import pytest

from dicegrad.cli import main
from dicegrad.data.adapters import get_adapter
from dicegrad.data.annotated import marked_by_table
from dicegrad.data.cases import read_cases, write_cases
from dicegrad.data.test_set import (
    labelled_test_cases,
    marked_test_cases,
    marks_of_training,
    problems_of_test_set,
)
from dicegrad.evaluation.test_set import score_test_set, table_of_test_set
from dicegrad.preprocessing.about import About
from dicegrad.study import Experiment
from tests.conftest import refusal
from tests.decathlon import CLASSES, move_to_test, write_decathlon

EXPERIMENT = Experiment("balls", "full", "dice", "I", "1e-7", 2)
LABELLED = ("scan_002", "scan_003")


def make_root(folder, numbered=False, groups=()):
    """Four cases, two of them moved to a test set; nobody drew the box in the first of each."""
    root = write_decathlon(folder / "balls", 4, annotated={0: "ball", 2: "ball"}, groups=groups)
    move_to_test(root, LABELLED)
    for path in [*root.glob("images*/*")] if numbered else ():
        path.rename(path.with_name(path.name.replace(".nii", "_0000.nii")))
    return root


@pytest.fixture(params=["decathlon", "nnunet"])
def root(request, tmp_path):
    return make_root(tmp_path, numbered=request.param == "nnunet")


def rewrite(root, *lines):
    (root / "annotated.tsv").write_text("\n".join(["case\tannotated", *lines]) + "\n")


def test_both_sets_are_marked_by_one_table(root):
    adapter = get_adapter("nnunet", root)
    tests, line = marked_test_cases(root, adapter, None)
    assert [(case.case, case.annotated) for case in tests] == [
        ("scan_002", ("ball",)),
        ("scan_003", None),
    ]
    assert line == (
        f"{root / 'annotated.tsv'}: 1 of 2 test cases are not annotated for every class; 1 test "
        "cases are not listed and count as annotated for all classes"
    )
    cases, line = marked_by_table(adapter.scan(root).cases, root, None, adapter)
    assert [case.annotated for case in cases] == [("ball",), None]
    assert "1 of 2 cases are not annotated" in line
    assert "1 cases are not listed" in line


def test_a_map_that_nobody_drew_has_no_score_and_is_in_no_mean(root, tmp_path):
    adapter = get_adapter("nnunet", root)
    marked, _ = marked_test_cases(root, adapter, None)
    write_cases(tmp_path / "test_cases.tsv", marked, adapter.channels)
    cases = read_cases(tmp_path / "test_cases.tsv")
    # The network finds the box where nobody drew it: no false positive, since nobody knows.
    drawn = root / "labelsTs" / "scan_003.nii.gz"
    (tmp_path / "predictions").mkdir()
    for name in LABELLED:
        shutil.copy(drawn, tmp_path / "predictions" / f"{name}.nii.gz")
    about = About(adapter.channels, CLASSES, adapter.class_values, None, {}, {})
    scores = score_test_set(cases, tmp_path / "predictions", about, EXPERIMENT)
    rows = scores.set_index(["case", "class"])
    empty = rows.loc[("scan_002", "box"), ["dsc", "volume_true_ml", "hd95_mm", "surface_dice"]]
    assert empty.isna().all()
    assert rows.drop(("scan_002", "box"))["dsc"].notna().all()
    table = table_of_test_set(scores.assign(setup="I")).set_index("class")
    assert table["n"].to_dict() == {"ball": 2, "box": 1}
    assert table.at["box", "dsc"] == 1
    assert table.at["box", "delta_volume_ml"] == 0


def test_a_table_may_name_test_cases_wherever_it_is_read(root, capsys):
    assert main(["check", str(root)]) == 0
    out = capsys.readouterr().out
    assert "1 of 2 cases are not annotated for every class; 1 cases are not listed" in out
    assert "1 of 2 test cases are not annotated for every class; 1 test cases are not" in out
    assert main(["audit", str(root)]) == 0
    assert "of the table have none" not in capsys.readouterr().out
    (root / "annotated.tsv").write_text("case\tannotated\nscan_004\tball\n")
    adapter = get_adapter("nnunet", root)
    line = refusal(marked_by_table, adapter.scan(root).cases, root, None, adapter)
    assert "case 'scan_004' is not in the dataset; did you mean" in line
    assert refusal(marked_test_cases, root, adapter, None) == line


def test_a_test_case_that_groups_tsv_forgets_is_still_one_of_the_dataset(tmp_path):
    root = make_root(tmp_path, groups=("A",))
    lines = (root / "groups.tsv").read_text().splitlines()
    (root / "groups.tsv").write_text("\n".join(lines[:3]) + "\n")
    adapter = get_adapter("nnunet", root)
    cases, _ = marked_by_table(adapter.scan(root).cases, root, None, adapter)
    assert [case.annotated for case in cases] == [("ball",), None]
    assert "no line for test case scan_002" in refusal(labelled_test_cases, root, adapter)


def test_voxels_against_the_table_are_told_in_a_test_case_too(root, capsys, tmp_path):
    rewrite(root, "scan_003\tball")
    adapter = get_adapter("nnunet", root)
    tests, _ = marked_test_cases(root, adapter, None)
    known = adapter.scan(root).cases
    write_cases(tmp_path / "test_cases.tsv", tests, adapter.channels)
    (line,) = problems_of_test_set(read_cases(tmp_path / "test_cases.tsv"), known, adapter)
    assert "voxels of box, but case scan_003 is annotated for ball only" in line
    assert main(["check", str(root)]) == 1
    assert "voxels of box, but case scan_003" in capsys.readouterr().err


def test_a_line_on_a_test_case_changes_nothing_that_training_is_told(root):
    adapter = get_adapter("nnunet", root)
    before = marks_of_training(root, adapter, None)
    assert before == {"scan_000": "ball"}
    rewrite(root, "scan_003\tbox", "scan_000\tball", "scan_001\tall")
    assert marks_of_training(root, adapter, None) == before
    rewrite(root, "scan_003\tbox")
    assert marks_of_training(root, adapter, None) is None

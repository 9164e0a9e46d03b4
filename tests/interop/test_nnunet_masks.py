"""What the trainer is told of annotated maps; none of it needs nnU-Net."""

import math
import os
import pkgutil
import subprocess
import sys

import pytest
import torch

from dicegrad.interop.nnunet_masks import (
    class_names,
    find_table,
    hard_counts,
    leave_out,
    make_loss,
    read_table,
)
from tests.conftest import refusal


def test_classes_come_in_the_order_of_their_values_and_regions_in_that_of_the_file():
    labels = {"background": 0, "RV": 3, "LV": 1, "MYO": [2], "ignore": 4}
    assert class_names(labels, regions=False) == ("LV", "MYO", "RV")
    regions = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}
    assert class_names(regions, regions=True) == ("whole", "core", "enhancing")


def test_the_table_is_that_of_the_raw_folder(tmp_path):
    raw, preprocessed = tmp_path / "raw", tmp_path / "preprocessed"
    raw.mkdir()
    preprocessed.mkdir()
    assert find_table(raw, preprocessed) is None
    for folder in (preprocessed, raw):
        (folder / "annotated.tsv").write_text("case\tannotated\n")
        assert find_table(raw, preprocessed) == folder / "annotated.tsv"
    assert read_table(raw / "annotated.tsv", ("LV",), ("a",)) == {}


def test_the_table_may_name_cases_of_the_test_set_which_are_left_out(tmp_path):
    table = tmp_path / "annotated.tsv"
    table.write_text("case\tannotated\na\tLV\nt\tLV\n")
    assert read_table(table, ("LV", "RV"), ("a",), {"t"}) == {"a": ("LV",)}
    assert "case 't' is not in the dataset" in refusal(read_table, table, ("LV", "RV"), ("a",))


def test_where_nobody_knows_it_is_said_and_not_guessed(tmp_path):
    said = refusal(find_table, None, tmp_path)
    assert said.startswith(f"{tmp_path / 'annotated.tsv'}: does not exist, and nnUNet_raw is not")
    assert "does not either" in refusal(find_table, tmp_path / "raw", tmp_path)


def test_false_positives_of_a_class_that_nobody_drew_are_not_counted():
    label = torch.tensor([[[[0, 1, 1, 3]]]])  # 3 is ignored
    logits = torch.nn.functional.one_hot(torch.tensor([[[2, 1, 2, 2]]]), 3).movedim(-1, 1).float()
    both = torch.tensor([[True, True]])
    counts = hard_counts(logits, label, both, regions=False, ignore=3)
    assert [counts[name].tolist() for name in counts] == [[1, 0], [0, 2], [1, 0]]
    one = torch.tensor([[True, False]])
    counts = hard_counts(logits, label, one, regions=False, ignore=3)
    assert [counts[name].tolist() for name in counts] == [[1, 0], [0, 0], [1, 0]]


def test_a_map_that_nobody_drew_has_no_score_in_the_summary():
    cases = [
        {"reference_file": f"/gt/{name}.nii.gz", "metrics": {"1": {"Dice": d}, "2": {"Dice": e}}}
        for name, d, e in (("a", 0.8, 0.0), ("ab", 0.6, 0.4))
    ]
    summary = {
        "metric_per_case": cases,
        "mean": {"1": {"Dice": 0.7}, "2": {"Dice": 0.2}},
        "foreground_mean": {"Dice": 0.45},
    }
    leave_out(summary, {"a": ("LV",), "ab": None}, {"1": "LV", "2": "RV"}, ".nii.gz")
    assert math.isnan(cases[0]["metrics"]["2"]["Dice"])
    assert cases[1]["metrics"]["2"]["Dice"] == 0.4
    assert summary["mean"] == {"1": {"Dice": pytest.approx(0.7)}, "2": {"Dice": 0.4}}
    assert summary["foreground_mean"]["Dice"] == pytest.approx(0.55)


@pytest.mark.parametrize("ending", [".nii.gz", ".png"])
def test_a_case_whose_name_goes_on_after_that_of_another_has_its_own_line(ending):
    cases = [
        {"reference_file": f"/gt/{name}{ending}", "metrics": {"1": {"Dice": 0.5}}}
        for name in ("1.2.3", "1.2.3.4", "1.2.3.5")
    ]
    summary = {"metric_per_case": cases, "mean": {"1": {"Dice": 0.5}}, "foreground_mean": {}}
    leave_out(summary, {"1.2.3": (), "1.2.3.4": ("LV",)}, {"1": "LV"}, ending)
    assert [math.isnan(case["metrics"]["1"]["Dice"]) for case in cases] == [True, False, False]


def test_where_every_voxel_is_ignored_nothing_is_learnt():
    loss = make_loss("I", 1e-5, ignore=3)
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss(logits, torch.full((2, 1, 4, 4), 3)).backward()
    assert (logits.grad == 0).all()


def test_the_command_names_a_folder_that_holds_the_trainers_and_nothing_else():
    command = [sys.executable, "-m", "dicegrad.cli", "nnunet-trainers"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    found = [each.name for each in pkgutil.iter_modules([said.stdout.strip()])]
    assert found == ["nnUNetTrainerDicegrad", "nnUNetTrainerStudy"]

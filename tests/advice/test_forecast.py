"""`forecast` says what a loss makes of missing and empty maps; the numbers are the losses' own."""

import json

import matplotlib
import pytest
import torch

from dicegrad.advice.audit import audit
from dicegrad.advice.forecast import forecast, push_ratio, verdict
from dicegrad.advice.forecast_figure import draw
from dicegrad.advice.forecast_losses import Candidate, of_passports
from dicegrad.advice.identify_passport import Passport
from dicegrad.cli import main
from dicegrad.losses import DiceCELoss, DiceLoss
from tests.advice.labels import block, write
from tests.conftest import refusal

V, N = 20, 64


def folder(tmp_path, filled=6, empty=0, missing=0):
    """Label maps of one class, and a table of which of them are annotated."""
    lines = ["case\tannotated"]
    for i in range(filled + empty + missing):
        write(tmp_path / "labels" / f"c{i:02}.nii.gz", block(1, V if i < filled else 0))
        lines.append(f"c{i:02}\t{'none' if i >= filled + empty else 'all'}")
    table = tmp_path / "annotated.tsv"
    table.write_text("\n".join(lines) + "\n")
    return audit(tmp_path / "labels", classes={"a": (1,)}, annotated=table)


def words(found, kind="missing"):
    return {cell.loss: getattr(cell, kind) for cell in found.cells}


def test_missing_maps_are_learnt_by_some_losses_and_ignored_by_others(tmp_path):
    told = words(forecast(folder(tmp_path, missing=6)))
    assert told["Dice I"] == told["leaf Dice"] == told["MONAI DiceLoss"] == "ignore"
    assert told["Dice BI"] == told["Dice I, heuristic epsilon"] == "learn"
    assert told["cross-entropy"] == told["nnU-Net, batch_dice true"] == "learn"
    assert told["Dice BI, told what is annotated"] == "ignore"


def test_it_says_when_learn_does_not_hold(tmp_path):
    limit = "of maps missing at random up to a half, a network keeps most"
    assert limit in forecast(folder(tmp_path / "some", missing=6)).text
    assert limit not in forecast(folder(tmp_path / "none")).text


def test_empty_maps_are_learnt_by_a_loss_that_is_told_which_are_missing(tmp_path):
    found = forecast(folder(tmp_path, empty=3, missing=3))
    assert words(found)["Dice BI, told what is annotated"] == "ignore"
    assert words(found, "empty")["Dice BI, told what is annotated"] == "learn"
    assert "annotated.tsv" in found.recommendation["a"]


def test_a_larger_epsilon_and_a_larger_patch_move_the_verdict(tmp_path):
    def at(epsilon):
        return push_ratio(Candidate("", epsilon=epsilon), "missing", V, N, 2, 0.5, V)

    assert [verdict(at(epsilon)) for epsilon in (1e-7, 0.2, V)] == ["ignore", "torn", "learn"]
    entropy = Candidate("", cross_entropy=1.0)
    near, far = (push_ratio(entropy, "missing", V, size, 2, 0.5, V) for size in (10 * V, 1e5 * V))
    assert near > 100 * far


@pytest.mark.parametrize(
    ("candidate", "loss"),
    [
        (Candidate("", "I", 3.0), DiceLoss("I", 3.0, activation="sigmoid")),
        (Candidate("", "BI", 1e-3), DiceLoss("BI", 1e-3, activation="sigmoid")),
        (
            Candidate("", "BI", 1e-3, cross_entropy=2.0),
            DiceCELoss("BI", 1e-3, activation="sigmoid", ce_factor=2),
        ),
    ],
)
def test_the_push_is_the_derivative_by_the_logits_of_the_loss_itself(candidate, loss):
    """A filled and a missing map, 2 V voxels predicted with 1/2 in each: the sums of the model."""
    logits = torch.full((2, 1, 6 * V), -40.0, dtype=torch.float64)
    logits[:, :, : 2 * V] = 0
    logits = logits.view(2, 1, 6 * V, 1).requires_grad_()
    y = torch.zeros(2, 6 * V, 1, dtype=torch.uint8)
    y[0, V : 2 * V] = 1  # half of what is predicted is right
    loss(logits, y).backward()
    filled, missing = logits.grad[0, 0, 0, 0], logits.grad[1, 0, 0, 0]
    model = push_ratio(candidate, "missing", V, 6 * V, 2, 0.5, V)
    # The model averages over what else is in the batch; here it is one filled and one missing map.
    from dicegrad.advice.push import Setting, in_batch

    setting = Setting(candidate.phi, 2, candidate.epsilon, V, 0.5, 0.5)
    level = in_batch(setting, 0)["missing"], in_batch(setting, 1)["labelled"]
    entropy = candidate.cross_entropy / (2 * 2 * 6 * V)
    told = [float(each) / 4 + entropy for each in level]
    assert float(missing) == pytest.approx(told[0], rel=1e-6)
    assert float(filled) == pytest.approx(told[1], rel=1e-6)
    assert model > 0


def test_a_loss_that_was_identified_is_forecast_as_its_like_in_the_table(tmp_path):
    """Of identify itself its own tests tell; here it is what identify says of Dice BI + CE."""
    numbers = {"epsilon_numerator": 1e-5, "epsilon_denominator": 1e-5, "dice_factor": 1.0}
    passport = Passport(
        "own",
        phi="BI",
        shape="dice",
        norm="l1",
        focal=0.0,
        cross_entropy=1.0,
        mean="counted",
        **numbers,
    )
    cells = forecast(folder(tmp_path, missing=6), losses=of_passports([passport])).cells
    ratios = {cell.loss: cell.missing_ratio for cell in cells}
    assert ratios["own"] == ratios["nnU-Net, batch_dice true"]


def test_a_loss_with_an_exclusion_term_is_forecast_by_the_push_that_was_measured(tmp_path):
    numbers = {"epsilon_numerator": 1e-7, "epsilon_denominator": 1e-7, "dice_factor": 1.0}
    about = {"phi": "I", "shape": "dice", "norm": "l1", "focal": 0.0, "cross_entropy": 0.0}
    passport = Passport("own", **numbers, **about, exclusion=2.0, push_ratio=0.8)
    told = words(forecast(folder(tmp_path, missing=6), losses=of_passports([passport])))
    assert (told["Dice I"], told["own"]) == ("ignore", "learn")


LARGE = {"epsilon_numerator": 100.0, "epsilon_denominator": 100.0, "dice_factor": 1.0}
PLAIN = {"phi": "I", "shape": "dice", "norm": "l1", "focal": 0.0, "exclusion": 0.0}


@pytest.mark.parametrize("mean", ["zeroed", "leaf", "dropped", "dropped_per_image", "merged"])
@pytest.mark.parametrize(("entropy", "told"), [(0.0, "ignore"), (1.0, "learn")])
def test_a_loss_whose_mean_leaves_empty_maps_out_learns_them_by_cross_entropy_alone(
    tmp_path, mean, entropy, told
):
    counted = Passport("counted", **LARGE, **PLAIN, cross_entropy=entropy, mean="counted")
    silent = Passport("silent", **LARGE, **PLAIN, cross_entropy=entropy, mean=mean)
    found = forecast(folder(tmp_path, missing=6), losses=of_passports([counted, silent]))
    assert words(found)["counted"] == "learn"
    assert words(found)["silent"] == told
    ratios = {cell.loss: cell.missing_ratio for cell in found.cells}
    assert ratios["silent"] < ratios["counted"]


def test_a_loss_that_was_seen_to_ignore_an_empty_map_is_not_forecast_to_learn_it(tmp_path):
    passport = Passport("own", **LARGE, **PLAIN, cross_entropy=0.0, empty_map="ignored")
    told = words(forecast(folder(tmp_path, missing=6), losses=of_passports([passport])))
    assert told["own"] == "ignore"


def test_a_loss_that_was_confirmed_on_filled_maps_alone_is_refused():
    told = refusal(of_passports, [Passport("own", **LARGE, **PLAIN, cross_entropy=0.0)])
    assert "cannot tell what becomes of a map without a true voxel" in told


@pytest.mark.parametrize(
    ("empty", "told"),
    [
        (1, "the 1 empty map of a is annotated, and"),
        (2, "the 2 empty maps of a are annotated, and"),
    ],
)
def test_one_map_and_several_are_told_in_the_right_number(tmp_path, empty, told):
    assert told in forecast(folder(tmp_path, empty=empty)).recommendation["a"]


def test_a_loss_of_which_nothing_is_known_is_refused():
    told = refusal(of_passports, [Passport("some.loss")])
    assert "some.loss" in told
    assert "leave it out" in told


def test_an_absence_that_audit_flags_counts_as_missing(tmp_path):
    groups = {}
    for i in range(24):
        map = block(1, V) + (block(3, V + 8) - block(3, V) if i < 12 else 0)
        write(tmp_path / "labels" / f"c{i:02}.nii.gz", map)
        groups[f"c{i:02}"] = "one" if i < 12 else "two"
    found = forecast(audit(tmp_path / "labels", classes={"a": (1,), "b": (3,)}, groups=groups))
    assert found.suspected == {"a": 0, "b": 12}
    assert {cell.loss: cell.missing for cell in found.cells if cell.name == "a"}["Dice BI"] == ""
    assert "audit flags" in found.recommendation["b"]
    assert "any of these losses" in found.recommendation["a"]


def test_without_a_filled_map_there_is_nothing_to_forecast(tmp_path):
    assert "no class has a filled map" in refusal(forecast, folder(tmp_path, filled=0, empty=2))
    found = folder(tmp_path / "other")
    with pytest.raises(Exception, match="batch size is 0"):
        forecast(found, batch_size=0)


def test_the_command_prints_and_draws(tmp_path, capsys):
    folder(tmp_path, empty=2, missing=4)
    given = [str(tmp_path / "labels"), "--classes", "a=1", "--annotated"]
    given += [str(tmp_path / "annotated.tsv"), "--patch", "4", "4", "4"]
    figure = tmp_path / "forecast.png"
    assert main(["forecast", *given, "--figure", str(figure)]) == 0
    assert "Dice BI, told what is annotated" in capsys.readouterr().out
    assert figure.stat().st_size > 10_000
    assert main(["forecast", *given, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["voxels"] == 64
    assert {cell["class"] for cell in told["cells"]} == {"a"}
    draw(forecast(folder(tmp_path / "more", missing=2)), tmp_path / "forecast.svg")


def test_a_figure_without_a_point_says_why(tmp_path, monkeypatch):
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")  # words stay words
    for name, missing in (("some", 2), ("none", 0)):
        draw(forecast(folder(tmp_path / name, missing=missing)), tmp_path / f"{name}.svg")
    assert "every map is filled" not in (tmp_path / "some.svg").read_text()
    assert "every map is filled" in (tmp_path / "none.svg").read_text()

import math

import pytest
import torch

from dicegrad.losses import DiceCELoss, DiceLoss, LeafDiceLoss
from dicegrad.losses.push_meter import PushMeter, make_meter, warnings

CPU = torch.device("cpu")


def batch(true=(True, False)):
    """One class, predicted with 0.5 everywhere; half of each map that has it is true."""
    y = torch.zeros(len(true), 4, 4, 4, dtype=torch.uint8)
    for number, there in enumerate(true):
        y[number, :2] = int(there)
    return torch.zeros(len(true), 1, 4, 4, 4), y


def share(loss, annotated=None, true=(True, False)):
    meter = PushMeter(loss, ["a"])
    meter.add(*batch(true), annotated)
    return meter.take()


def test_image_wise_dice_is_blind_to_a_map_without_a_true_voxel_and_batch_dice_is_not():
    blind = share(DiceLoss("I", activation="sigmoid"))
    learnt = share(DiceLoss("BI", activation="sigmoid"))
    assert blind["push_empty_a"] < 1e-6
    # I = 16, P = 64, T = 32: a level of 1/3 on 32 empty and 16 false voxels, -5/3 on 16 true ones
    assert learnt["push_empty_a"] == pytest.approx(32 / (32 + 16 + 16 * 5))
    assert learnt["predicted_empty_a"] == 1


def test_a_map_that_is_not_annotated_has_no_share_if_the_loss_is_told():
    known = torch.tensor([[True], [False]])
    row = share(DiceLoss("BI", activation="sigmoid"), known)
    assert row["push_empty_a"] == row["push_missing_a"] == 0
    assert row["predicted_empty_a"] == 1  # it is watched all the same


def test_where_every_map_is_filled_nothing_is_said_of_empty_ones():
    row = share(DiceLoss("BI", activation="sigmoid"), true=(True, True))
    assert row["push_empty_a"] == 0
    assert math.isnan(row["predicted_empty_a"])


def test_steps_add_up_and_a_checkpoint_keeps_them():
    loss = DiceCELoss("BI", activation="sigmoid")
    meter, other = PushMeter(loss, ["a"]), PushMeter(loss, ["a"])
    for true in ((True, False), (True, True)):
        meter.add(*batch(true))
    other.restore(meter.state(), CPU)
    row = meter.take()
    assert other.take() == row
    assert 0 < row["push_empty_a"] < share(loss)["push_empty_a"]
    assert meter.take() == {}


def test_a_loss_that_does_not_follow_from_the_sums_has_no_meter():
    assert make_meter(LeafDiceLoss(), ["a"]) is None
    assert make_meter(lambda *given: 0, ["a"]) is None
    assert make_meter(DiceLoss(activation="sigmoid"), ["a"]) is not None


MISSING = {"push_missing_MYO": 0.3}


def row(step, push, predicted):
    given = {"push_empty_MYO": push, "push_missing_MYO": 0.0, "predicted_empty_MYO": predicted}
    return {"step": step, **given}


def test_a_first_line_says_that_it_is_pushed_and_a_second_that_it_is_unlearnt_each_once():
    rows = [row(0, 0.2, 0.9), row(20, 0.2, 0.9), row(40, 0.3, 0.8), row(60, 0.31, 0.8)]
    rows += [row(80, 0.31, 0.4), row(100, 0.3, 0.1)]
    told = [warnings(rows[:count], ["MYO"]) for count in range(1, 7)]
    push = "MYO: 25 % of the push comes from maps without a true voxel, which this loss learns"
    assert told == [
        [],
        [],
        [f"{push} as empty"],
        [],
        [
            "MYO: 31 % of the push comes from maps without a true voxel; predicted volume there "
            "fell from 80 % to 40 % of that in filled maps in 40 steps"
        ],
        [],
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [row(20, 0.0, 0.9), row(60, 0.01, 0.1)],  # nobody pushes there
        [row(20, 0.3, 0.9), row(40, 0.3, 0.1)],  # too soon to say
        [row(20, 0.0, math.nan), row(60, 0.0, math.nan)],  # no such maps
        [row(20, 0.0, 0.9) | MISSING, row(60, 0.0, 0.1) | MISSING],  # the loss is told of these
    ],
)
def test_otherwise_there_is_none(rows):
    assert warnings(rows, ["MYO"]) == []

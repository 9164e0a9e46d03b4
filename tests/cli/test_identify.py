"""`dicegrad identify`: text for people, JSON for programs, one line for a mistake."""

import json

from dicegrad.cli import main

LOSS = "dicegrad:DiceLoss('BI', 1e-5, activation='softmax')"


def test_it_prints_a_passport(capsys):
    assert main(["identify", LOSS]) == 0
    text = capsys.readouterr().out
    assert 'DiceLoss("BI", 1e-05, activation="softmax")' in text
    assert "learnt as empty" in text


def test_it_prints_json(capsys):
    assert main(["identify", LOSS, "--json", "--labels", "map (B, *)", "--channels", "4"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["phi"], found["empty_map"], found["cross_entropy"]) == ("BI", "learnt", 0)


def test_a_loss_that_is_not_there_is_one_line(capsys):
    assert main(["identify", "dicegrad:DiceLos"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: loss 'dicegrad:DiceLos': dicegrad has no DiceLos; there are CrossEntropyLoss, "
        "DiceCELoss, DiceLoss, GeneralizedDiceLoss, LeafDiceLoss, MarginalCrossEntropyLoss, "
        "MarginalDiceLoss, SoftJaccardLoss"
    ]

"""`identify` calls a loss as it wants to be called, and says in one line why it cannot."""

import json

import pytest
import torch

from dicegrad.advice.identify import identify
from dicegrad.cli import main
from tests.advice.mutants import EPS, original, ratio
from tests.conftest import refusal

SAME = 'DiceLoss("I", 1e-05, activation="softmax")'


def only(allowed, said):
    """`original`, which refuses what is not allowed."""

    def loss(z, y):
        if not allowed(z, y):
            raise ValueError(said)
        return original(z, y.to(z.dtype))

    return loss


@pytest.mark.parametrize("count", [2, 3])
def test_a_loss_of_so_many_classes_is_probed_in_so_many(count):
    found = identify(only(lambda z, y: z.shape[1] == count, f"give {count} channels"))
    assert (found.channels, found.twin, found.twin_differs) == (count, SAME, ())


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int32])
def test_a_loss_that_wants_another_type_of_truth_is_given_it(kind):
    found = identify(only(lambda z, y: y.dtype == kind, "another type"))
    assert (found.phi, found.takes, found.twin) == ("I", ("one-hot",), SAME)


def test_a_loss_in_three_dimensions_alone_is_given_them():
    def loss(z, y):
        if z.ndim != 5:
            raise ValueError("expected 5-D input")
        return original(z.flatten(3), y.flatten(3))

    assert identify(loss).twin == SAME


def test_one_value_per_case_is_averaged():
    def loss(z, y):
        return 1 - ratio(z.softmax(1), y).mean(1)

    assert identify(loss).twin == SAME


def test_a_metric_that_returns_a_number_has_no_gradient():
    def score(p, y):
        return ratio(p, y, 0, 0)[:, 1:].nanmean().item()

    found = identify(score)
    assert (found.gradient, found.sign, found.phi) == ("none", "score", "I")
    assert found.background is False


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (lambda z, y: (original(z, y), {}), "returns a tuple, not one tensor; wrap it"),
        (lambda z, y: {"loss": original(z, y)}, "returns a dict, not one tensor; wrap it"),
        (lambda z, y: None, "returns a NoneType, not one tensor; wrap it"),
    ],
)
def test_what_a_loss_returns_is_named_if_it_is_no_tensor(returned, told):
    assert told in refusal(identify, returned)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (only(lambda z, y: len(z) == 1, "one case at a time"), "one case at a time"),
        (only(lambda z, y: z.is_cuda, "needs a GPU"), "needs a GPU"),
        (lambda z, y, weight: original(z, y) * weight, "'weight'"),
        (lambda z, y: original(z, y) * float("nan"), "it gives nan"),
    ],
)
def test_what_a_loss_says_when_it_is_called_is_repeated(loss, said):
    line = refusal(identify, loss)
    assert said in line
    assert "wrap it in a function of prediction and truth" in line


def test_what_a_loss_prints_is_not_in_the_json(tmp_path, monkeypatch, capsys):
    words = ["from dicegrad import DiceLoss", "def loss(z, y):", "    print('epoch 1')"]
    words += [f"    return DiceLoss('I', {EPS}, activation='softmax')(z, y)"]
    (tmp_path / "talkative.py").write_text("\n".join(words))
    monkeypatch.chdir(tmp_path)
    assert main(["identify", "talkative:loss", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["phi"] == "I"
    assert "epoch 1" in shown.err

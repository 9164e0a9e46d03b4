import pytest
import torch
import torch.nn.functional as F

from dicegrad import CrossEntropyLoss, DiceCELoss, DiceLoss
from dicegrad.errors import InputError


def test_softmax_cross_entropy_is_that_of_torch(make_case, one_hot):
    logits, y = make_case()
    weight = torch.tensor([0.1, 1.0, 2.0, 3.0], dtype=torch.float64)
    assert CrossEntropyLoss()(logits, y) == F.cross_entropy(logits, y)
    own = CrossEntropyLoss(weight=weight)(logits, y.to(torch.uint8)[:, None])
    assert own == F.cross_entropy(logits, y, weight)
    soft = CrossEntropyLoss()(logits, one_hot(y, 4))
    assert soft.item() == pytest.approx(F.cross_entropy(logits, y).item())


def test_sigmoid_cross_entropy_takes_every_form_of_the_truth(make_case, one_hot):
    for channels in (1, 3):
        logits, y = make_case(channels=channels)
        expected = F.binary_cross_entropy_with_logits(logits, one_hot(y, channels))
        loss = CrossEntropyLoss(activation="sigmoid")
        for form in (y, y.to(torch.uint8), y[:, None], one_hot(y, channels)):
            assert loss(logits, form).item() == pytest.approx(expected.item(), rel=1e-12)
        weight = [2.0] * channels
        doubled = CrossEntropyLoss(activation="sigmoid", weight=weight)(logits, y)
        positive = torch.full((channels, 1, 1, 1), 2.0, dtype=torch.float64)
        assert doubled == F.binary_cross_entropy_with_logits(
            logits, one_hot(y, channels), pos_weight=positive
        )


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_dice_and_cross_entropy_add_up(activation, make_case):
    logits, y = make_case()
    logits.requires_grad_()
    dice = DiceLoss("BI", 2.0, activation=activation, include_background=False)
    both = DiceCELoss(
        "BI", 2.0, activation=activation, include_background=False, dice_factor=0.3, ce_factor=2
    )
    expected = 0.3 * dice(logits, y) + 2 * CrossEntropyLoss(activation=activation)(logits, y)
    assert both(logits, y).item() == pytest.approx(expected.item(), rel=1e-12)
    (own,), (sum_of_both,) = (torch.autograd.grad(x, logits) for x in (both(logits, y), expected))
    torch.testing.assert_close(own, sum_of_both)


def test_wrong_settings_are_named():
    with pytest.raises(InputError, match="activation is None; allowed are 'softmax', 'sigmoid'"):
        DiceCELoss(activation=None)
    with pytest.raises(InputError, match="dice_factor is -1"):
        DiceCELoss(dice_factor=-1)
    with pytest.raises(InputError, match="weight has 2 values for 4 classes"):
        CrossEntropyLoss(weight=[1, 2])(torch.zeros(1, 4, 2, 2), torch.zeros(1, 2, 2).long())

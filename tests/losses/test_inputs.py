import numpy as np
import pytest
import torch

from dicegrad import CrossEntropyLoss, DiceLoss, GeneralizedDiceLoss, LeafDiceLoss, dice_loss
from dicegrad.errors import InputError
from dicegrad.losses.inputs import check_epsilon

P = torch.full((2, 3, 4, 4), 1 / 3)
Y = torch.zeros(2, 4, 4, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"phi": "B"}, ["phi", "'B'", "'I', 'CI', 'BI', 'BCI'"]),
        ({"phi": None}, ["phi", "None", "'BCI'"]),
        ({"activation": "relu"}, ["activation", "'relu'", "'sigmoid', 'softmax'"]),
        ({"norm": "l3"}, ["norm", "'l3'", "'l1', 'l2'"]),
        ({"epsilon": 0}, ["epsilon", "0", "above 0"]),
        ({"epsilon": -1.0}, ["epsilon", "-1.0", "above 0"]),
        ({"epsilon": float("nan")}, ["epsilon", "nan"]),
        ({"epsilon": "heuristic"}, ["epsilon", "'heuristic'", "number"]),
        ({"epsilon": [1.0, 2.0], "phi": "CI"}, ["epsilon", "2 values", "'CI'", "one number"]),
        ({"weight": [1.0, -1.0]}, ["weight", "-1.0", "at least 0"]),
        ({"weight": [1.0, 1.0], "phi": "BCI"}, ["weight", "'BCI'", "GeneralizedDiceLoss"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(settings, named):
    with pytest.raises(InputError) as error:
        DiceLoss(**settings)
    for words in named:
        assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("y_pred", "y", "settings", "named"),
    [
        (P[0], Y, {}, ["y_pred", "(3, 4, 4)", "(2, 4, 4)", "(3, 1, 4)"]),
        (P[0, 0], Y, {}, ["y_pred", "(4, 4)", "(B, C, *spatial)"]),
        (P.long(), Y, {}, ["y_pred", "torch.int64", "floating-point"]),
        (P[:, :, :0], Y[:, :0], {}, ["y_pred", "(2, 3, 0, 4)", "no voxel"]),
        (P.numpy(), Y, {}, ["y_pred", "ndarray", "torch tensor"]),
        (P, Y.numpy(), {}, ["y", "ndarray", "torch tensor"]),
        (P, Y[:1], {}, ["y", "(1, 4, 4)", "(2, 4, 4)", "(2, 1, 4, 4)", "(2, 3, 4, 4)"]),
        (P, P[:, :2], {}, ["y", "(2, 2, 4, 4)", "(2, 3, 4, 4)"]),
        (P, Y + 3, {}, ["y", "labels from 3 to 3", "0 to 2"]),
        (P, Y.long() - 1, {}, ["y", "labels from -1 to -1", "0 to 2"]),
        (P[:, :1], Y + 2, {}, ["y", "labels from 2 to 2", "0 to 1", "1 channel"]),
        (P[:, :1], Y.float() + 255, {}, ["y", "labels from 255 to 255", "0 to 1"]),
        (P, Y + 0.5, {}, ["y", "torch.float32", "not whole"]),
        (P, P + 1, {}, ["y", "1.33333", "0 to 1"]),
        (P * 9 - 1, Y, {}, ["y_pred", "from 2 to 2", "0 to 1", "activation='sigmoid'"]),
        (P, Y * 1j, {}, ["y", "torch.complex64"]),
        (P[:, :1], Y, {"activation": "softmax"}, ["softmax", "1 channel", "'sigmoid'"]),
        (P[:, :1], Y, {"include_background": False}, ["include_background", "no class is left"]),
        (P, Y, {"epsilon": [1.0, 2.0]}, ["epsilon", "2 values", "3 classes"]),
        (
            P,
            Y,
            {"epsilon": [1.0, 2.0, 3.0], "include_background": False},
            ["epsilon", "3 values", "2 classes", "background, is left out"],
        ),
        (P, Y, {"weight": [1.0] * 4}, ["weight", "4 values", "3 classes"]),
    ],
)
def test_wrong_input_is_named_with_what_is_allowed(y_pred, y, settings, named):
    with pytest.raises(InputError) as error:
        DiceLoss(**settings)(y_pred, y)
    for words in named:
        assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_other_losses_name_wrong_input_too():
    for loss in (LeafDiceLoss(), GeneralizedDiceLoss()):
        with pytest.raises(InputError, match="labels from 5 to 5; allowed are 0 to 2"):
            loss(P, Y + 5)
    with pytest.raises(InputError, match="labels from 5 to 5; allowed are 0 to 2"):
        CrossEntropyLoss()(P, Y + 5)
    with pytest.raises(InputError, match="phi is 'I'; allowed are 'CI', 'BCI'"):
        GeneralizedDiceLoss("I")


def test_rounding_and_nan_pass_the_range_check():
    assert dice_loss(P + 1e-4, Y).isfinite()
    broken = P.clone()
    broken[0, 0, 0, 0] = np.nan
    assert dice_loss(broken, Y).isnan()


def test_epsilon_may_be_any_kind_of_number():
    one_each = [[0.5, 1.0, 2.0], (0.5, 1, 2), np.array([0.5, 1, 2]), torch.tensor([0.5, 1, 2])]
    values = {dice_loss(P, Y, epsilon=epsilon).item() for epsilon in one_each}
    assert len(values) == 1
    same = [2, 2.0, np.float32(2), torch.tensor(2.0)]
    assert len({dice_loss(P, Y, epsilon=epsilon).item() for epsilon in same}) == 1


@pytest.mark.parametrize("epsilon", [1e-50, 1e39, [1e-7, 1e-50]])
def test_an_epsilon_that_single_precision_does_not_hold_is_refused(epsilon):
    with pytest.raises(InputError, match="single precision does not hold; give one from 1e-37"):
        check_epsilon(epsilon, "I")

"""How masks meet the functions, weights and reductions, and which masks are refused."""

import pytest
import torch
from torch.autograd import gradcheck

from dicegrad import (
    CrossEntropyLoss,
    DiceCELoss,
    DiceLoss,
    GeneralizedDiceLoss,
    TverskyLoss,
    dice_gradient,
    dice_loss,
    soft_dice,
)
from dicegrad.errors import InputError
from tests.loss_cases import PHIS, loss_and_gradient, overlap_losses, random_masks


@pytest.mark.parametrize("phi", PHIS)
def test_functions_take_the_masks_of_the_loss(phi, make_case):
    logits, y = make_case(3, 4)
    annotated, mask = random_masks(3, 4, y.shape[1:], 7)
    masks = {"annotated": annotated, "mask": mask}
    loss = DiceLoss(phi, activation="softmax")
    value, gradient = loss_and_gradient(loss, logits, y, annotated, mask)
    assert dice_loss(logits, y, phi, activation="softmax", **masks).item() == value
    own = dice_gradient(logits, y, phi, activation="softmax", **masks)
    torch.testing.assert_close(own, gradient)
    dice = soft_dice(logits, y, phi, activation="softmax", **masks)
    assert 1 - dice.nanmean().item() == pytest.approx(value)
    only = soft_dice(logits, y, "BI", activation="sigmoid", annotated=torch.eye(4)[:3] > 0)
    assert only.isnan().tolist() == [[False, False, False, True]]


def test_weights_scale_the_subsets_that_are_left(make_case):
    logits, y = make_case(2, 3)
    annotated = torch.tensor([[True, False, True], [False, True, True]])
    dice = soft_dice(logits, y, activation="sigmoid")
    weighted = (1 - dice) * torch.tensor([1.0, 2, 4])
    loss = DiceLoss(activation="sigmoid", weight=[1, 2, 4])
    assert loss(logits, y, annotated).item() == pytest.approx(weighted[annotated].mean().item())


@pytest.mark.parametrize("phi", PHIS)
def test_a_case_weighs_as_much_as_that_many_of_it(phi, make_case):
    logits, y = make_case(3, 4)
    annotated = random_masks(3, 4, (), 8)[0]
    annotated[:, 1] = True
    weight, copies = torch.tensor([2.0, 1, 0]), [0, 0, 1]
    losses = overlap_losses(phi, activation="softmax")
    losses += [DiceCELoss(phi), CrossEntropyLoss(activation="sigmoid", weight=[1, 2, 3, 4])]
    for loss in losses:
        value, gradient = loss_and_gradient(loss, logits, y, annotated, case_weight=weight)
        expected, apart = loss_and_gradient(loss, logits[copies], y[copies], annotated[copies])
        assert value == pytest.approx(expected, rel=1e-10)
        torch.testing.assert_close(gradient[0], apart[0] + apart[1])
        assert (gradient[2] == 0).all()


@pytest.mark.parametrize("phi", PHIS)
def test_reduction_none_gives_every_subset_and_sum_their_sum(phi, make_case):
    logits, y = make_case(3, 4)
    annotated, mask = random_masks(3, 4, y.shape[1:], 9)
    mean, total, each = (
        DiceLoss(phi, activation="softmax", include_background=False, reduction=kind)
        for kind in ("mean", "sum", "none")
    )
    values = each(logits, y, annotated, mask)
    dice = soft_dice(
        logits,
        y,
        phi,
        annotated=annotated,
        mask=mask,
        activation="softmax",
        include_background=False,
    )
    torch.testing.assert_close(values, (1 - dice).nan_to_num(0))
    count = (~dice.isnan()).sum().item()
    assert total(logits, y, annotated, mask).item() == pytest.approx(values.sum().item())
    assert mean(logits, y, annotated, mask).item() == pytest.approx(values.sum().item() / count)
    leaf = logits.clone().requires_grad_()
    factors = torch.rand_like(values)
    (each(leaf, y, annotated, mask) * factors).sum().backward()
    assert gradcheck(lambda x: each(x, y, annotated, mask), leaf, fast_mode=True)
    summed = loss_and_gradient(total, logits, y, annotated, mask)[1]
    one = loss_and_gradient(lambda *a: each(*a).sum(), logits, y, annotated, mask)[1]
    torch.testing.assert_close(summed, one)


P, Y = torch.full((2, 3, 4, 4), 1 / 3), torch.zeros(2, 4, 4, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ({"annotated": torch.ones(2, 3)}, ["annotated", "torch.float32", "torch.bool"]),
        ({"annotated": [[True] * 3] * 2}, ["annotated", "list"]),
        ({"annotated": torch.ones(2, 4) > 0}, ["annotated", "(2, 4)", "(2, 3)", "(2, 2)"]),
        ({"mask": torch.ones(4, 4)}, ["mask", "(4, 4)", "(2, 1, 4, 4)", "(2, 4, 4)"]),
        ({"mask": 1}, ["mask", "int", "torch tensor"]),
        ({"case_weight": torch.ones(3)}, ["case_weight", "(3,)", "(2,)"]),
        ({"case_weight": -torch.ones(2)}, ["case_weight", "-1.0", "at least 0"]),
    ],
)
def test_wrong_masks_are_named_with_what_is_allowed(call, named):
    for loss in (DiceLoss(), CrossEntropyLoss(), TverskyLoss(), GeneralizedDiceLoss()):
        with pytest.raises(InputError) as error:
            loss(P, Y, **call)
        for words in named:
            assert words in str(error.value)
        assert "\n" not in str(error.value)


def test_labels_without_a_channel_are_named_unless_they_are_ignored():
    y = Y.clone()
    y[0, 0, 0], y[0, 0, 1] = 255, 7
    for loss in (DiceLoss(ignore_index=255), CrossEntropyLoss(ignore_index=255)):
        with pytest.raises(InputError, match="labels from 0 to 7; allowed are 0 to 2"):
            loss(P, y)
        assert loss(P, y, mask=y != 7).isfinite()


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(InputError, match="include_background must be True"):
        DiceLoss(include_background=False, unannotated="marginal")
    with pytest.raises(InputError, match="unannotated is 'empty'; allowed are"):
        DiceLoss(unannotated="empty")
    with pytest.raises(InputError, match=r"ignore_index is 0\.5"):
        DiceLoss(ignore_index=0.5)
    with pytest.raises(InputError, match="y holds one map per class"):
        DiceLoss(ignore_index=255)(P, P)
    sigmoid = DiceLoss(activation="sigmoid", unannotated="marginal")
    assert sigmoid(P, Y) == DiceLoss(activation="sigmoid")(P, Y)  # nothing to merge
    with pytest.raises(InputError, match="no background for a class to join"):
        sigmoid(P, Y, torch.ones(2, 3, dtype=torch.bool))


def test_masks_seen_in_inference_mode_serve_training_with_second_derivatives(make_case):
    logits, y = make_case(2, 3)
    annotated = torch.tensor([[True, True, False], [True, False, True]])
    loss = DiceLoss(activation="softmax")
    with torch.inference_mode():
        seen = loss(logits, y, annotated)
    logits = logits.clone().requires_grad_()
    value = loss(logits, y, annotated)
    assert torch.equal(value, seen)
    (slope,) = torch.autograd.grad(value, logits, create_graph=True)
    slope.square().sum().backward()
    assert logits.grad.any()

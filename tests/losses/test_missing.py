from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from dicegrad import (
    CrossEntropyLoss,
    DiceLoss,
    LeafDiceLoss,
    MarginalCrossEntropyLoss,
    MarginalDiceLoss,
    soft_dice,
)
from dicegrad.errors import InputError
from tests.published_losses import dicegrad_leaf, dicegrad_marginal


def gradient(loss, y_pred, y):
    (result,) = torch.autograd.grad(loss(y_pred, y), y_pred)
    return result


@given(st.integers(0, 10**6), st.sets(st.integers(1, 3)))
@settings(max_examples=25, deadline=None)
def test_leaf_and_marginal_are_the_released_formulas(make_case, one_hot, seed, emptied):
    logits, y = make_case(2, 4, (4, 5), seed)
    for label in emptied:
        y[0][y[0] == label] = 0
    logits.requires_grad_()
    for loss, released in (
        (LeafDiceLoss(activation="softmax"), dicegrad_leaf),
        (MarginalDiceLoss(activation="softmax"), dicegrad_marginal),
    ):
        expected = released(logits.softmax(1), one_hot(y, 4))
        assert loss(logits, y).item() == pytest.approx(expected.item(), rel=1e-6)
        (by_logits,) = torch.autograd.grad(expected, logits)
        torch.testing.assert_close(gradient(loss, logits, y), by_logits)


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_leaf_is_the_image_reduction_over_the_foreground(make_case, seed):
    logits, y = make_case(2, 4, (6, 6), seed)
    y[1][y[1] == 2] = 0
    logits.requires_grad_()
    image = DiceLoss("I", 1e-7, activation="softmax", include_background=False)
    leaf = LeafDiceLoss(1e-7, activation="softmax")
    assert leaf(logits, y).item() == pytest.approx(image(logits, y).item(), abs=1e-7)
    torch.testing.assert_close(
        gradient(leaf, logits, y), gradient(image, logits, y), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("kind", [LeafDiceLoss, MarginalDiceLoss])
def test_a_missing_class_has_no_gradient_of_its_own(kind, make_case):
    logits, y = make_case(2, 4)
    y[y == 2] = 0
    p = logits.softmax(1).requires_grad_()
    by_p = gradient(kind(), p, y)
    if kind is LeafDiceLoss:
        assert (by_p[:, 2] == 0).all()
    else:  # it is background now: moving probability from one to the other changes nothing
        torch.testing.assert_close(by_p[:, 2], by_p[:, 0])


@pytest.mark.parametrize("kind", [LeafDiceLoss, MarginalDiceLoss])
def test_finite_when_every_class_is_missing(kind):
    logits = torch.randn(2, 4, 5, 5, requires_grad=True)
    y = torch.zeros(2, 5, 5, dtype=torch.uint8)
    loss = kind(activation="softmax")
    # leaf: nothing left of the mean; marginal: the background alone, which is right everywhere
    assert loss(logits, y).item() == pytest.approx(1.0 if kind is LeafDiceLoss else 0.75)
    assert gradient(loss, logits, y).abs().max() <= 1e-8


@pytest.mark.parametrize("kind", [LeafDiceLoss, MarginalDiceLoss])
def test_one_channel_is_the_foreground(kind, make_case):
    logits, y = make_case(3, 1)
    y[0] = 0
    two = torch.cat([1 - logits.sigmoid(), logits.sigmoid()], 1)
    single = kind(activation="sigmoid")(logits, y)
    assert single.item() == pytest.approx(kind()(two, y).item(), rel=1e-9)
    assert (gradient(kind(activation="sigmoid"), logits.requires_grad_(), y)[0].abs() < 1e-8).all()


@pytest.mark.parametrize("kind", [LeafDiceLoss, MarginalDiceLoss])
def test_gradcheck_of_both(kind, make_case):
    logits, y = make_case(2, 3, (2, 2, 2))
    y[1] = 0
    loss = kind(1e-2, activation="softmax")
    assert gradcheck(lambda x: loss(x, y), logits.requires_grad_())
    assert gradgradcheck(lambda x: loss(x, y), logits)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_leaf_dice_with_the_background_is_the_image_reduction_over_all_classes(
    activation, norm, make_case
):
    logits, y = make_case(2, 4)
    logits.requires_grad_()
    annotated = torch.tensor([[True, True, False, True], [True, False, True, True]])
    named = {"activation": activation, "norm": norm, "include_background": True}
    leaf, image = LeafDiceLoss(1e-12, **named), DiceLoss("I", 1e-12, **named)
    for told in ((), (annotated,)):
        expected, found = image(logits, y, *told), leaf(logits, y, *told)
        assert found.item() == pytest.approx(expected.item(), rel=1e-9)
        torch.testing.assert_close(
            torch.autograd.grad(found, logits), torch.autograd.grad(expected, logits)
        )


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_told_what_is_annotated_marginal_dice_is_the_dice_with_a_marginal_background(
    make_case, one_hot, seed
):
    logits, y = make_case(3, 4, (4, 5), seed)
    generator = torch.Generator().manual_seed(seed)
    annotated = torch.rand(3, 4, generator=generator) < 0.6
    mask = torch.rand(3, 4, 5, generator=generator) < 0.7
    logits.requires_grad_()
    for truth in (y, one_hot(y, 4)):
        own = MarginalDiceLoss(0.5, activation="softmax")
        dice = DiceLoss("I", 0.5, activation="softmax", unannotated="marginal")
        masks = truth, annotated, mask
        assert own(logits, *masks).item() == pytest.approx(dice(logits, *masks).item(), rel=1e-10)
        torch.testing.assert_close(
            *(torch.autograd.grad(loss(logits, *masks), logits) for loss in (own, dice))
        )


def test_told_what_is_annotated_leaf_dice_is_the_mean_over_those_maps(make_case):
    logits, y = make_case(2, 4)
    y[0][y[0] == 3] = 0  # annotated and empty: a Dice of 0 without a gradient
    annotated = torch.tensor([[False, True, True], [True, True, False]])
    dice = soft_dice(logits, y, "I", 1e-9, activation="softmax", include_background=False)
    dice[0, 2] = 0
    loss = LeafDiceLoss(1e-9, activation="softmax")(logits, y, annotated)
    assert loss.item() == pytest.approx((1 - dice[annotated]).mean().item())


def test_the_exclusion_loss_keeps_p_off_what_is_known_not_to_be_the_class(make_case, one_hot):
    # Shi et al. 2021: twice the negative Dice loss of p and 1 - y, here without the constant
    logits, y = make_case(2, 4)
    annotated = torch.tensor([[False, True, True], [True, True, False]])
    mask = torch.rand(2, 5, 4, 3, generator=torch.Generator().manual_seed(0)) < 0.7
    p, truth = logits.softmax(1), one_hot(y, 4)
    dice = []
    for b in range(2):
        for c in range(1, 4):
            if annotated[b, c - 1]:
                own, rest = p[b, c][mask[b]], 1 - truth[b, c][mask[b]]
                dice.append(2 * (own * rest).sum() / (own.sum() + rest.sum()))
    expected = torch.stack(dice).mean().item()
    masks = y, annotated, mask
    for make in (partial(MarginalDiceLoss, activation="softmax"), MarginalCrossEntropyLoss):
        added = make(exclusion=2)(logits, *masks) - make()(logits, *masks)
        assert added.item() == pytest.approx(2 * expected)
        assert gradcheck(lambda x, make=make: make(exclusion=2)(x, *masks), logits.requires_grad_())
    with pytest.raises(InputError, match="exclusion is -1"):
        MarginalDiceLoss(exclusion=-1)


def test_marginal_cross_entropy_infers_what_is_missing_from_what_is_empty(make_case):
    logits, y = make_case(2, 4)
    y[0][y[0] == 2] = 0
    annotated = torch.ones(2, 4, dtype=torch.bool)
    annotated[0, 2] = False
    told = CrossEntropyLoss(weight=[1, 2, 3, 4])(logits, y, annotated)
    assert MarginalCrossEntropyLoss(weight=[1, 2, 3, 4])(logits, y) == told
    as_empty = CrossEntropyLoss(weight=[1, 2, 3, 4])(logits, y)
    assert told < as_empty

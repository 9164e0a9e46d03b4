import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from dicegrad import DiceLoss, LeafDiceLoss, MarginalDiceLoss


def released_leaf(p, truth):
    """replication of the released form: foreground, epsilon below only, absent classes count 0."""
    total = 0.0
    for b in range(p.shape[0]):
        for c in range(1, p.shape[1]):
            if truth[b, c].sum() > 0:
                volumes = p[b, c].sum() + truth[b, c].sum()
                total += 2 * (p[b, c] * truth[b, c]).sum() / (volumes + 1e-7)
    return 1 - total / (p.shape[0] * (p.shape[1] - 1))


def released_marginal(p, truth):
    """The released form: missing classes join the background, which takes part in the mean."""
    total = 0.0
    for b in range(p.shape[0]):
        missing = [c for c in range(1, p.shape[1]) if truth[b, c].sum() == 0]
        background = p[b, 0] + sum((p[b, c] for c in missing), torch.zeros_like(p[b, 0]))
        for c in range(p.shape[1]):
            if c in missing:
                continue
            merged = background if c == 0 else p[b, c]
            twice = 2 * (merged * truth[b, c]).sum() + 1e-7
            total += twice / (merged.sum() + truth[b, c].sum() + 1e-7)
    return 1 - total / (p.shape[0] * p.shape[1])


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
        (LeafDiceLoss(activation="softmax"), released_leaf),
        (MarginalDiceLoss(activation="softmax"), released_marginal),
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

"""Labels that stand for a set of classes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from dicegrad import CrossEntropyLoss, DiceCELoss, DiceLoss, GeneralizedDiceLoss, TverskyLoss
from dicegrad.errors import InputError
from tests.loss_cases import loss_and_gradient, seeds


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_cross_entropy_of_a_set_is_minus_log_of_its_probability(make_case, seed):
    logits, y = make_case(2, 5, (4, 5), seed)
    sets = {255: (1, 3), 254: (0, 2, 4)}
    y[torch.rand(y.shape, generator=torch.Generator().manual_seed(seed)) < 0.3] = 255
    y[0, 0] = 254
    leaf = logits.clone().requires_grad_()
    p, terms = leaf.softmax(1), []
    for b, i, j in torch.cartesian_prod(torch.arange(2), torch.arange(4), torch.arange(5)):
        members = sets.get(y[b, i, j].item(), (y[b, i, j].item(),))
        terms.append(-p[b, list(members), i, j].sum().log())
    expected = torch.stack(terms).mean()
    expected.backward()
    value, gradient = loss_and_gradient(CrossEntropyLoss(label_sets=sets), logits, y)
    assert value == pytest.approx(expected.item(), rel=1e-10)
    torch.testing.assert_close(gradient, leaf.grad)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_dice_takes_the_union_for_the_classes_of_a_set_where_it_occurs(make_case, one_hot, seed):
    logits, y = make_case(2, 4, (4, 5), seed)
    y[0, 0] = 255  # case 0 does not tell 1 from 3 there; case 1 always does
    p, truth = logits.softmax(1), one_hot(y, 4)
    union = (y[0] == 1) | (y[0] == 3) | (y[0] == 255)
    pairs = [(p[0, 0], truth[0, 0]), (p[0, 1] + p[0, 3], union.double()), (p[0, 2], truth[0, 2])]
    pairs += [(p[1, c], truth[1, c]) for c in range(4)]
    dice = [(2 * (a * b).sum() + 0.5) / ((a + b).sum() + 0.5) for a, b in pairs]
    loss = DiceLoss(
        "I", 0.5, activation="softmax", unannotated="marginal", label_sets={255: (1, 3)}
    )
    value, _ = loss_and_gradient(loss, logits, y)
    assert value == pytest.approx(1 - torch.stack(dice).mean().item(), rel=1e-10)


def test_sets_of_one_case_that_share_a_class_are_one_union(make_case):
    logits, y = make_case(1, 5, (4, 5))
    both, one = y.clone(), y.clone()
    both[0, 0, 0], both[0, 0, 1] = 255, 254
    one[0, 0, :2] = 255
    two_sets = {255: (1, 2), 254: (2, 3)}
    settings = {"activation": "softmax", "unannotated": "marginal"}
    overlapping = DiceLoss(label_sets=two_sets, **settings)(logits, both)
    assert overlapping.item() == pytest.approx(
        DiceLoss(label_sets={255: (1, 2, 3)}, **settings)(logits, one).item(), rel=1e-12
    )


@given(seeds, st.sampled_from(["I", "CI", "BI", "BCI"]))
@settings(max_examples=20, deadline=None)
def test_both_masks_are_special_cases(make_case, seed, phi):
    logits, y = make_case(2, 4, (4, 5), seed)
    y[1, 0] = 0
    annotated = torch.tensor([[True] * 4, [True, True, False, False]])
    y[1][y[1] > 1] = 0  # what is not annotated stands there as background
    ignored = torch.rand(y.shape, generator=torch.Generator().manual_seed(seed)) < 0.3
    ignored[1, 0, 0] = False
    sets = {9: (0, 2, 3), 8: (0, 1, 2, 3)}
    labels = y.clone()
    labels[1][y[1] == 0] = 9
    labels[ignored] = 8
    kinds = [DiceLoss, TverskyLoss, CrossEntropyLoss, DiceCELoss]
    kinds += [GeneralizedDiceLoss] if "C" in phi else []
    for kind in kinds:
        named = {"activation": "softmax", "unannotated": "marginal"}
        if kind is not CrossEntropyLoss:
            named["phi"] = phi
        expected = loss_and_gradient(kind(**named), logits, y, annotated, ~ignored)
        value, gradient = loss_and_gradient(kind(label_sets=sets, **named), logits, labels)
        assert value == pytest.approx(expected[0], rel=1e-10)
        torch.testing.assert_close(gradient, expected[1])


def test_a_set_that_holds_the_background_holds_what_is_not_annotated(make_case):
    logits, y = make_case(1, 4, (4, 5))
    y[:] = 9
    annotated = torch.tensor([[True, True, True, False]])
    p = logits.softmax(1)
    loss = CrossEntropyLoss(label_sets={9: (0, 1)})(logits, y, annotated)
    assert loss.item() == pytest.approx(-(p[:, 0] + p[:, 1] + p[:, 3]).log().mean().item())


def test_sets_together_with_an_ignored_label_and_gradcheck(make_case):
    logits, y = make_case(2, 4, (2, 3))
    y[0, 0, 0], y[0, 1, 1], y[1, 1, 1] = 255, 0, 255
    mask = y != 0
    for kind in (DiceLoss, DiceCELoss):
        named = {"activation": "softmax", "unannotated": "marginal", "label_sets": {255: (0, 3)}}
        ignoring = kind(ignore_index=0, **named)
        assert ignoring(logits, y) == kind(**named)(logits, y, mask=mask)
        assert gradcheck(lambda x, loss=ignoring: loss(x, y), logits.requires_grad_())


P, Y = torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("sets", "named"),
    [
        ({255: (1,)}, ["255", "(1,)", "two or more"]),
        ({255: (-1, 2)}, ["255", "channel numbers"]),
        ({255: "liver"}, ["liver", "{255: (1, 3)}"]),
        ([255], ["[255]", "must map labels to channels"]),
        ({2: (0, 1)}, ["label 2", "channel 2", "3 or above"]),
        ({255: (1, 3)}, ["255", "(1, 3)", "3 channels"]),
    ],
)
def test_wrong_sets_are_named(sets, named):
    with pytest.raises(InputError) as error:
        CrossEntropyLoss(label_sets=sets)(P, Y)
    for words in named:
        assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_sets_need_the_marginal_form_and_a_label_map():
    with pytest.raises(InputError, match="need unannotated='marginal'"):
        DiceLoss(label_sets={255: (0, 1)})
    with pytest.raises(InputError, match="use 'softmax'"):
        CrossEntropyLoss(activation="sigmoid", label_sets={255: (0, 1)})
    with pytest.raises(InputError, match="choose one"):
        CrossEntropyLoss(ignore_index=255, label_sets={255: (0, 1)})
    with pytest.raises(InputError, match="give a label map"):
        CrossEntropyLoss(label_sets={255: (0, 1)})(P, P)

"""What an annotation mask and ignored voxels do to every loss."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from dicegrad import (
    CrossEntropyLoss,
    DiceCELoss,
    DiceLoss,
    GeneralizedDiceLoss,
    SoftJaccardLoss,
    TverskyLoss,
    dice_loss,
)
from tests.loss_cases import PHIS, loss_and_gradient, overlap_losses, random_masks, seeds


@given(seeds, st.sampled_from(PHIS), st.sampled_from(["l1", "l2"]))
@settings(max_examples=30, deadline=None)
def test_a_masked_map_counts_as_one_that_does_not_exist(make_case, one_hot, seed, phi, norm):
    # by hand: a Dice of each subset over the maps and the voxels that are left, and their mean
    logits, y = make_case(3, 3, (4, 5), seed)
    annotated, mask = random_masks(3, 3, (4, 5), seed)
    p, truth = logits.sigmoid(), one_hot(y, 3)
    key = {"I": "bc", "CI": "b", "BI": "c", "BCI": ""}[phi]
    subsets = {}
    for b, c in itertools.product(range(3), range(3)):
        if annotated[b, c]:
            name = tuple({"b": b, "c": c}[k] for k in key)
            subsets.setdefault(name, []).append((p[b, c][mask[b]], truth[b, c][mask[b]]))
    dice = []
    for maps in subsets.values():
        a, b = (torch.cat(each) for each in zip(*maps, strict=True))
        total = (a + b).sum() if norm == "l1" else (a * a + b * b).sum()
        dice.append((2 * (a * b).sum() + 0.5) / (total + 0.5))
    expected = 1 - torch.stack(dice).mean() if dice else torch.tensor(0.0)
    loss = DiceLoss(phi, 0.5, activation="sigmoid", norm=norm)
    value = loss(logits, y, annotated, mask)
    assert value.item() == pytest.approx(expected.item(), rel=1e-10, abs=1e-15)


@given(seeds, st.sampled_from(PHIS), st.sampled_from([None, "sigmoid", "softmax"]))
@settings(max_examples=30, deadline=None)
def test_the_gradient_is_exactly_0_in_masked_maps_and_ignored_voxels(
    make_case, seed, phi, activation
):
    logits, y = make_case(3, 4, (4, 5), seed, dtype=torch.float32)
    y_pred = logits.softmax(1) if activation is None else logits
    annotated, mask = random_masks(3, 4, (4, 5), seed)
    for loss in overlap_losses(phi, activation=activation):
        _, gradient = loss_and_gradient(loss, y_pred, y, annotated, mask)
        assert (gradient.movedim(1, -1)[~mask] == 0).all()
        if activation != "softmax":
            assert (gradient[~annotated] == 0).all()


@given(seeds, st.sampled_from(PHIS))
@settings(max_examples=20, deadline=None)
def test_a_case_that_is_masked_as_a_whole_counts_as_one_that_does_not_exist(make_case, seed, phi):
    logits, y = make_case(3, 4, (4, 5), seed)
    annotated = torch.ones(3, 4, dtype=torch.bool)
    annotated[1, 1:] = False
    kept = [0, 2]
    losses = overlap_losses(phi, activation="softmax")
    losses += [CrossEntropyLoss(), DiceCELoss(phi, 0.5, ce_weight=[1, 2, 3, 4])]
    for loss in losses:
        value, gradient = loss_and_gradient(loss, logits, y, annotated)
        expected, alone = loss_and_gradient(loss, logits[kept], y[kept])
        assert value == pytest.approx(expected, rel=1e-10)
        torch.testing.assert_close(gradient[kept], alone)
        assert (gradient[1] == 0).all()


def merged(p, truth, annotated):
    """p and y of every case as lists of maps, the background first, by the definition of q."""
    for b in range(len(p)):
        lost = [c for c in range(1, p.shape[1]) if not annotated[b, c]]
        left = [c for c in range(1, p.shape[1]) if annotated[b, c]]
        yield [
            (sum((m[b, c] for c in lost), m[b, 0]), *(m[b, c] for c in left)) for m in (p, truth)
        ]


@given(seeds, st.sampled_from(["ignored", "marginal"]), st.sampled_from(["l1", "l2"]))
@settings(max_examples=25, deadline=None)
def test_a_class_that_is_not_annotated_joins_the_background_of_a_softmax(
    make_case, one_hot, seed, unannotated, norm
):
    logits, y = make_case(3, 4, (4, 5), seed)
    annotated = random_masks(3, 4, (), seed)[0]
    annotated[:, :2] = True  # so that every case says something
    leaf = logits.clone().requires_grad_()
    dice = []
    for maps, truths in merged(leaf.softmax(1), one_hot(y, 4), annotated):
        for a, b in zip(maps, truths, strict=True):
            total = (a + b).sum() if norm == "l1" else (a * a + b * b).sum()
            dice.append((2 * (a * b).sum() + 0.5) / (total + 0.5))
    expected = 1 - torch.stack(dice).mean()
    expected.backward()
    loss = DiceLoss("I", 0.5, activation="softmax", unannotated=unannotated, norm=norm)
    for given_mask in (annotated, annotated[:, 1:]):
        value, gradient = loss_and_gradient(loss, logits, y, given_mask)
        assert value == pytest.approx(expected.item(), rel=1e-10)
        torch.testing.assert_close(gradient, leaf.grad)
    on_p = DiceLoss("I", 0.5, unannotated="marginal", norm=norm)(logits.softmax(1), y, annotated)
    assert on_p.item() == pytest.approx(expected.item(), rel=1e-10)


@given(seeds, st.booleans())
@settings(max_examples=25, deadline=None)
def test_marginal_cross_entropy_by_hand(make_case, one_hot, seed, soft):
    logits, y = make_case(3, 4, (4, 5), seed)
    annotated, mask = random_masks(3, 4, (4, 5), seed)
    annotated[:, 1] = True
    leaf = logits.clone().requires_grad_()
    terms = []
    for b, (maps, truths) in enumerate(merged(leaf.softmax(1), one_hot(y, 4), annotated)):
        cost = -sum(t * a.log() for a, t in zip(maps, truths, strict=True))
        terms.append(cost[mask[b]])
    expected = torch.cat(terms).mean()
    expected.backward()
    truth = one_hot(y, 4) if soft else y
    for unannotated in ("ignored", "marginal"):
        loss = CrossEntropyLoss(unannotated=unannotated)
        value, gradient = loss_and_gradient(loss, logits, truth, annotated, mask)
        assert value == pytest.approx(expected.item(), rel=1e-10)
        torch.testing.assert_close(gradient, leaf.grad)


def test_sigmoid_cross_entropy_is_over_the_annotated_terms(make_case, one_hot):
    logits, y = make_case(3, 4)
    annotated, mask = random_masks(3, 4, y.shape[1:], 0)
    full = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, one_hot(y, 4), reduction="none"
    )
    counted = annotated[:, :, None, None, None] & mask[:, None]
    value, gradient = loss_and_gradient(
        CrossEntropyLoss(activation="sigmoid"), logits, y, annotated, mask[:, None]
    )
    assert value == pytest.approx(full[counted].mean().item(), rel=1e-12)
    assert (gradient[~counted] == 0).all()


LOSSES = [
    *[loss for phi in PHIS for loss in overlap_losses(phi, activation="softmax")],
    DiceLoss("BI", activation="sigmoid"),
    CrossEntropyLoss(),
    CrossEntropyLoss(weight=[1, 2, 3], top_k=0.5, gamma=2),
    CrossEntropyLoss(activation="sigmoid"),
    DiceCELoss(unannotated="marginal"),
]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_with_nothing_annotated_or_kept_the_loss_and_its_gradient_are_exactly_0(
    loss, dtype, make_case
):
    logits, y = make_case(2, 3, dtype=dtype)
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    value, gradient = loss_and_gradient(loss, logits, y, nothing)
    assert value == 0
    assert (gradient == 0).all()
    no_voxel = torch.zeros(2, 1, *y.shape[1:])
    value, gradient = loss_and_gradient(loss, logits, y, None, no_voxel)
    assert value == pytest.approx(0, abs=1e-6)  # every Dice is epsilon / epsilon
    assert (gradient == 0).all()


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_ignore_index_and_mask_say_the_same_and_what_y_holds_there_does_not_matter(loss, make_case):
    logits, y = make_case(2, 3, dtype=torch.float32)
    mask = random_masks(2, 3, y.shape[1:], 3)[1]
    expected = loss_and_gradient(loss, logits, y, None, mask)
    for form in (mask[:, None], mask.to(torch.uint8), mask.float()[:, None]):
        value, gradient = loss_and_gradient(loss, logits, y.masked_fill(~mask, 77), None, form)
        assert value == expected[0]
        assert torch.equal(gradient, expected[1])


def test_ignore_index_is_a_mask(make_case):
    logits, y = make_case(2, 3)
    mask = random_masks(2, 3, y.shape[1:], 3)[1]
    other = random_masks(2, 3, y.shape[1:], 4)[1]
    for kind in (DiceLoss, SoftJaccardLoss, TverskyLoss, GeneralizedDiceLoss, DiceCELoss):
        plain, ignoring = (kind(activation="softmax", ignore_index=i) for i in (None, 255))
        for dtype in (torch.uint8, torch.int64, torch.float32):
            labels = y.to(dtype).masked_fill(~mask, 255)
            assert ignoring(logits, labels) == plain(logits, y, mask=mask)
            assert ignoring(logits, labels, mask=other) == plain(logits, y, mask=mask & other)
    single = DiceLoss(activation="sigmoid", ignore_index=255)
    labels = (y == 1).to(torch.uint8).masked_fill(~mask, 255)
    expected = dice_loss(logits[:, :1], y == 1, activation="sigmoid", mask=mask)
    assert single(logits[:, :1], labels) == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_half_precision_is_computed_in_float32_with_masks_too(dtype, activation, make_case):
    logits, y = make_case(2, 4, dtype=dtype)
    annotated, mask = random_masks(2, 4, y.shape[1:], 5)
    for kind in (DiceLoss, DiceCELoss):
        loss = kind(activation=activation)
        value, gradient = loss_and_gradient(loss, logits, y, annotated, mask)
        expected, exact = loss_and_gradient(loss, logits.float(), y, annotated, mask)
        assert value == pytest.approx(expected, rel=1e-6)
        assert gradient.dtype == dtype
        torch.testing.assert_close(gradient.float(), exact, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("phi", PHIS)
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize(
    ("activation", "unannotated"),
    [(None, "ignored"), (None, "marginal"), ("sigmoid", "ignored"), ("softmax", "ignored")],
)
def test_gradcheck_and_second_derivative_with_masks(phi, norm, activation, unannotated, make_case):
    logits, y = make_case(2, 3, (2, 2, 2))
    y_pred = (logits.softmax(1) if activation is None else logits).requires_grad_()
    annotated = torch.tensor([[True, False, True], [True, True, True]])
    mask = random_masks(2, 3, (2, 2, 2), 1)[1]
    loss = DiceLoss(phi, 0.7, activation=activation, norm=norm, unannotated=unannotated)
    assert gradcheck(lambda x: loss(x, y, annotated, mask), y_pred)
    assert gradgradcheck(lambda x: loss(x, y, annotated, mask), y_pred)


def test_gradcheck_of_the_other_losses_with_masks(make_case):
    logits, y = make_case(2, 3, (2, 2, 2))
    logits.requires_grad_()
    annotated = torch.tensor([[True, False, True], [True, True, True]])
    mask = random_masks(2, 3, (2, 2, 2), 1)[1]
    losses = overlap_losses("CI", activation="softmax")[1:]
    losses.append(CrossEntropyLoss(weight=[1, 2, 3], label_smoothing=0.1, gamma=2))
    for loss in losses:
        assert gradcheck(lambda x, loss=loss: loss(x, y, annotated, mask), logits)
        assert gradgradcheck(lambda x, loss=loss: loss(x, y, annotated, mask), logits)


@pytest.mark.slow
def test_torch_compile_in_one_graph_with_masks(make_case):
    logits, y = make_case(2, 4, dtype=torch.float32)
    annotated, mask = random_masks(2, 4, y.shape[1:], 6)
    loss = DiceLoss("BI", activation="softmax", ignore_index=0)
    value, gradient = loss_and_gradient(loss, logits, y, annotated, mask)
    compiled = torch.compile(loss, fullgraph=True)
    other, other_gradient = loss_and_gradient(compiled, logits, y, annotated, mask)
    assert other == pytest.approx(value, rel=1e-5)
    torch.testing.assert_close(other_gradient, gradient, rtol=1e-4, atol=1e-8)

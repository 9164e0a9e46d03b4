"""The push on every map is the gradient that autograd finds, summed."""

import pickle
from copy import deepcopy
from itertools import product

import pytest
import torch

from dicegrad.losses import CrossEntropyLoss, DiceCELoss, DiceLoss, push
from dicegrad.losses.push import map_push
from dicegrad.losses.push_terms import can_be_measured
from dicegrad.losses.seen import Seen
from tests.conftest import refusal

PHIS = ("I", "CI", "BI", "BCI")


@pytest.fixture
def batch():
    """Logits and labels of three cases and three classes; class 2 is in the first case alone."""
    generator = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn((3, 4, 6, 5, 4), generator=generator, dtype=torch.float64)
    y = torch.randint(0, 4, (3, 6, 5, 4), generator=generator)
    y[1:][y[1:] == 2] = 0
    return logits, y


ANNOTATED = torch.tensor([[True, True, True], [True, False, True], [True, True, False]])


def by_autograd(loss, logits, y, annotated=None):
    """Sum over voxels of p |dL/dp| for every map, the loss being given probabilities."""
    p = logits.softmax(1).requires_grad_()
    loss(p, y, annotated).backward()
    return (p * p.grad.abs()).flatten(2).sum(2)


@pytest.mark.parametrize(
    ("phi", "epsilon", "background"), [*product(PHIS, (1e-5, 7.0), (True, False))]
)
def test_of_a_dice_loss_it_is_the_gradient_by_the_probabilities(batch, phi, epsilon, background):
    logits, y = batch
    settings = {"phi": phi, "epsilon": epsilon, "include_background": background}
    measured = map_push(DiceLoss(**settings, activation="softmax"), logits, y)
    expected = by_autograd(DiceLoss(**settings), logits, y)
    assert torch.allclose(measured.push, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("phi", PHIS)
def test_a_map_that_is_not_annotated_is_not_pushed(batch, phi):
    logits, y = batch
    settings = {"phi": phi, "epsilon": 1.0, "include_background": False}
    measured = map_push(DiceLoss(**settings, activation="softmax"), logits, y, ANNOTATED)
    expected = by_autograd(DiceLoss(**settings), logits, y, ANNOTATED)
    assert torch.allclose(measured.push, expected, rtol=1e-6, atol=1e-12)
    assert measured.push[:, 1:][~ANNOTATED].abs().sum() == 0
    assert torch.equal(measured.annotated[:, 1:], ANNOTATED)


@pytest.mark.parametrize("phi", PHIS)
def test_under_marginal_it_has_the_push_of_the_background_that_it_joins(batch, phi):
    logits, y = batch
    y = torch.where(~with_background()[range(3)].gather(1, y.flatten(1)).view(y.shape), 0, y)
    settings = {"phi": phi, "epsilon": 1.0, "unannotated": "marginal"}
    measured = map_push(DiceLoss(**settings, activation="softmax"), logits, y, ANNOTATED)
    expected = by_autograd(DiceLoss(**settings), logits, y, ANNOTATED)
    assert measured.push[:, 1:][~ANNOTATED].min() > 0
    assert torch.allclose(measured.push, expected, rtol=1e-6, atol=1e-12)


def with_background():
    return torch.cat([torch.ones(3, 1, dtype=torch.bool), ANNOTATED], 1)


def test_of_cross_entropy_it_is_the_gradient_by_the_logits(batch):
    logits, y = batch
    logits.requires_grad_()
    loss = CrossEntropyLoss()
    loss(logits, y).backward()
    expected = logits.grad.abs().flatten(2).sum(2)
    measured = map_push(loss, logits, y)
    assert torch.allclose(measured.push, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_of_cross_entropy_of_a_single_map_too(batch, masked):
    logits, y = batch[0][:, :1].clone().requires_grad_(), (batch[1] == 1).to(torch.uint8)
    annotated = torch.tensor([[True], [False], [True]]) if masked else None
    loss = CrossEntropyLoss(activation="sigmoid")
    loss(logits, y, annotated).backward()
    expected = logits.grad.abs().flatten(2).sum(2)
    measured = map_push(loss, logits, y, annotated)
    assert torch.allclose(measured.push, expected, rtol=1e-6, atol=1e-12)


def test_of_marginal_cross_entropy_annotated_maps_are_exact_and_others_pushed_down(batch):
    logits, y = batch
    y = torch.where(~with_background()[range(3)].gather(1, y.flatten(1)).view(y.shape), 0, y)
    logits.requires_grad_()
    loss = CrossEntropyLoss()
    loss(logits, y, ANNOTATED).backward()
    measured = map_push(loss, logits, y, ANNOTATED).push[:, 1:]
    expected = logits.grad[:, 1:].abs().flatten(2).sum(2)
    down = logits.grad[:, 1:].clamp_min(0).flatten(2).sum(2)
    assert torch.allclose(measured[ANNOTATED], expected[ANNOTATED], rtol=1e-6, atol=1e-12)
    assert torch.allclose(measured[~ANNOTATED], down[~ANNOTATED], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("annotated", [None, ANNOTATED])
def test_of_a_sum_it_is_the_sum(batch, annotated):
    logits, y = batch
    settings = {"phi": "BI", "epsilon": 1.0, "include_background": False}
    both = DiceCELoss(**settings, dice_factor=0.5, ce_factor=2)
    dice = map_push(both.dice, logits, y, annotated).push
    entropy = map_push(both.cross_entropy, logits, y, annotated).push
    measured = map_push(both, logits, y, annotated).push
    assert torch.allclose(measured, 0.5 * dice + 2 * entropy, rtol=1e-9)


def test_ignored_voxels_count_nowhere(batch):
    logits, y = batch
    y[:, :2] = 9
    loss = DiceCELoss("I", ignore_index=9)
    rest = DiceCELoss("I")
    measured, expected = map_push(loss, logits, y), map_push(rest, logits[:, :, 2:], y[:, 2:])
    assert torch.allclose(measured.push, expected.push, rtol=1e-9)
    assert torch.allclose(measured.predicted, expected.predicted, rtol=1e-9)


def test_it_says_which_losses_it_does_not_measure(batch):
    logits, y = batch
    loss = DiceLoss("I", norm="l2", activation="softmax")
    assert not can_be_measured(loss)
    assert not can_be_measured(DiceCELoss(gamma=2))
    assert can_be_measured(DiceCELoss())
    told = refusal(map_push, loss, logits, y)
    assert "norm='l2'" in told
    assert "measured are DiceLoss" in told


@pytest.mark.parametrize("annotated", [None, ANNOTATED])
@pytest.mark.parametrize("background", [True, False])
def test_after_the_loss_it_is_the_same_from_what_the_loss_has_seen(batch, annotated, background):
    logits, y = batch[0].requires_grad_(), batch[1]
    if annotated is not None:
        y = torch.where(~with_background()[range(3)].gather(1, y.flatten(1)).view(y.shape), 0, y)
    settings = {"phi": "BI", "epsilon": 1.0, "include_background": background}
    expected = map_push(DiceCELoss(**settings), logits, y, annotated)
    loss = DiceCELoss(**settings)
    loss.dice.seen = Seen()
    loss(logits, y, annotated)
    assert loss.dice.seen.of(logits, y, annotated, None) is not None
    measured = map_push(loss, logits, y, annotated)
    assert torch.equal(measured.true, expected.true)
    assert torch.allclose(measured.push, expected.push, rtol=1e-12)


def test_no_voxel_is_read_a_second_time_unless_something_has_changed(batch, monkeypatch):
    logits, y = batch[0].requires_grad_(), batch[1]
    loss, reads = DiceLoss("BI", activation="softmax"), []
    loss.seen = Seen()
    loss(logits, y)
    passed = push.overlap_sums
    monkeypatch.setattr(push, "overlap_sums", lambda *each: reads.append(each) or passed(*each))
    map_push(loss, logits, y)
    assert reads == []
    map_push(loss, logits, y.clone())
    assert len(reads) == 1, "other labels"
    y[0] = 0
    changed = map_push(loss, logits, y)
    assert len(reads) == 2, "the same tensor, with other labels"
    assert changed.true[0, 1:].sum() == 0
    loss(torch.zeros_like(logits, requires_grad=True), y)
    map_push(loss, logits, y)
    assert len(reads) == 3, "another prediction"


def test_a_loss_that_is_watched_can_be_copied_and_saved(batch):
    logits, y = batch[0].requires_grad_(), batch[1]
    loss = DiceLoss("BI", activation="softmax")
    loss.seen = Seen()
    value = loss(logits, y)
    for copy in (deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert copy.seen.of(logits, y, None, None) is None
        assert copy(logits, y) == value

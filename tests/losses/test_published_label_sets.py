"""The label-set losses of Fidon et al. 2021, by the formulas of their released code."""

import pytest
import torch

from dicegrad import CrossEntropyLoss, DiceLoss
from tests.loss_cases import assert_same
from tests.loss_cases import loss_and_gradient as both

AXES = (2, 3, 4)


SETS = {4: (1, 3)}


@pytest.fixture
def partial_labels(make_case):
    logits, y = make_case(2, 4, (9, 8, 7))
    generator = torch.Generator().manual_seed(5)
    return logits, y.masked_fill(torch.rand(y.shape, generator=generator) < 0.3, 4)


def mean_dice(p, truth):
    """Fidon et al.: squares in the denominator, 1e-5 there alone."""
    inter = 2 * (p * truth).sum(AXES)
    return 1 - (inter / ((p * p).sum(AXES) + (truth * truth).sum(AXES) + 1e-5)).mean()


def test_fidon_leaf_dice_is_l2_with_maps_that_are_empty_at_sets(partial_labels, one_hot):
    logits, y = partial_labels
    maps = one_hot(y, 4)  # a set has no map of its own: 0 there
    own = DiceLoss("I", 1e-12, activation="softmax", norm="l2")
    assert_same(
        both(own, logits, maps), both(lambda z, t: mean_dice(z.softmax(1), t), logits, maps)
    )


def test_fidon_marginal_dice_is_l2_of_probabilities_averaged_over_the_set(partial_labels, one_hot):
    # at a voxel of a set, its classes share their mean probability, and 1 / |set| as the truth;
    # label_sets takes the union for one map instead
    def shared(logits, y):
        p, truth = logits.softmax(1), one_hot(y, 4)
        inside = torch.zeros_like(p)
        inside[:, [1, 3]] = (y == 4).double()[:, None]
        mean = p[:, [1, 3]].mean(1, keepdim=True)
        return p * (1 - inside) + inside * mean, truth + inside / 2

    logits, y = partial_labels
    own = DiceLoss("I", 1e-12, norm="l2")
    assert_same(
        both(lambda z: own(*shared(z, y)), logits), both(lambda z: mean_dice(*shared(z, y)), logits)
    )


def test_fidon_marginal_cross_entropy_is_that_of_label_sets_plus_a_constant(
    partial_labels, one_hot
):
    # -log of the mean of p over the set, instead of its sum: log 2 more at each of its voxels
    def published(logits, y):
        p = logits.softmax(1)
        mean = p[:, [1, 3]].mean(1)
        own = (p * one_hot(y, 4)).sum(1)
        return -torch.where(y == 4, mean, own).log().mean()

    logits, y = partial_labels
    own = both(CrossEntropyLoss(label_sets=SETS), logits, y)
    offset = -torch.log(torch.tensor(2.0)).item() * (y == 4).double().mean().item()
    assert_same(own, both(published, logits, y), offset=offset)

"""The label-set losses of Fidon et al. 2021, by the formulas of their released code.

tests/published_losses.py has the formulas.
"""

import pytest
import torch

from dicegrad import CrossEntropyLoss, LeafDiceLoss
from tests.loss_cases import assert_same
from tests.loss_cases import loss_and_gradient as both
from tests.published_losses import (
    SET,
    fidon_cross_entropy,
    fidon_leaf,
    fidon_marginal,
    fidon_shared,
)


@pytest.fixture
def partial_labels(make_case):
    logits, y = make_case(2, 4, (9, 8, 7))
    generator = torch.Generator().manual_seed(5)
    return logits, y.masked_fill(torch.rand(y.shape, generator=generator) < 0.3, 4)


def test_fidon_leaf_dice_is_l2_with_maps_that_are_empty_at_sets(partial_labels, one_hot):
    logits, y = partial_labels
    maps = one_hot(y, 4)  # a set has no map of its own: 0 there
    own = LeafDiceLoss(1e-5, activation="softmax", include_background=True, norm="l2")
    assert_same(both(own, logits, maps), both(fidon_leaf, logits, maps))


def test_fidon_marginal_dice_is_l2_of_probabilities_averaged_over_the_set(partial_labels):
    # at a voxel of a set, its classes share their mean probability, and 1 / |set| as the truth;
    # label_sets takes the union for one map instead
    logits, y = partial_labels
    dice = LeafDiceLoss(1e-5, include_background=True, norm="l2")
    own = both(lambda z: dice(*fidon_shared(z, y)), logits)
    assert_same(own, both(fidon_marginal, logits, y))


def test_fidon_marginal_cross_entropy_is_that_of_label_sets_plus_a_constant(partial_labels):
    # -log of the mean of p over the set, instead of its sum: log 2 more at each of its voxels
    logits, y = partial_labels
    own = both(CrossEntropyLoss(label_sets={4: SET}), logits, y)
    offset = -torch.log(torch.tensor(2.0)).item() * (y == 4).double().mean().item()
    assert_same(own, both(fidon_cross_entropy, logits, y), offset=offset)

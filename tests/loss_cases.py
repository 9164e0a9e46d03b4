"""What the tests of losses share: losses to try, masks to try them with, and what is compared."""

import pytest
import torch
from hypothesis import strategies as st

from dicegrad import DiceLoss, GeneralizedDiceLoss, SoftJaccardLoss, TverskyLoss

PHIS = ("I", "CI", "BI", "BCI")
seeds = st.integers(0, 10**6)


def loss_and_gradient(loss, y_pred, *others, **named):
    leaf = y_pred.detach().clone().requires_grad_()
    value = loss(leaf, *others, **named)
    value.backward()
    return value.item(), leaf.grad


def assert_same(own, other, offset=0.0, tolerance=1e-6):
    """Equal to 1e-6 of the largest derivative: some of them sum in float32 whatever comes in."""
    assert own[0] == pytest.approx(other[0] + offset, rel=tolerance)
    largest = other[1].abs().max().item()
    torch.testing.assert_close(own[1], other[1], rtol=0, atol=tolerance * largest)


def random_masks(batch, channels, shape, seed):
    generator = torch.Generator().manual_seed(seed)
    annotated = torch.rand(batch, channels, generator=generator) < 0.6
    return annotated, torch.rand(batch, *shape, generator=generator) < 0.7


def overlap_losses(phi, **named):
    losses = [DiceLoss(phi, 0.5, **named), SoftJaccardLoss(phi, 0.5, **named)]
    losses.append(TverskyLoss(0.3, 0.7, phi, 0.5, **named))
    if "C" in phi:
        losses.append(GeneralizedDiceLoss(phi, 0.5, activation=named["activation"]))
    return losses

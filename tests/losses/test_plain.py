"""Where there is no native code, the formula serves wherever tiles would be slower."""

import pytest
import torch

from dicegrad import DiceLoss
from dicegrad.errors import InputError
from dicegrad.losses import native, sums
from tests.loss_cases import PHIS, loss_and_gradient


@pytest.mark.parametrize("activation", [None, "sigmoid", "softmax"])
@pytest.mark.parametrize("phi", PHIS)
def test_a_small_volume_has_the_value_the_gradient_and_the_checks_of_the_two_passes(
    monkeypatch, make_case, activation, phi
):
    logits, y = make_case(dtype=torch.float32)
    y_pred = logits.softmax(1) if activation is None else logits
    annotated, mask = torch.tensor([[True] * 4, [True, False, True, True]]), y != 2
    loss = DiceLoss(phi, activation=activation)
    expected = loss_and_gradient(loss, y_pred, y, annotated, mask)
    monkeypatch.setattr(native, "library", lambda: None)
    assert sums.plain_is_faster(y_pred, y)
    value, gradient = loss_and_gradient(loss, y_pred, y, annotated, mask)
    assert value == pytest.approx(expected[0], rel=1e-6)
    torch.testing.assert_close(gradient, expected[1], rtol=1e-5, atol=1e-8)
    y[0, 0, 0, 0] = 4
    with pytest.raises(InputError, match="y holds"):
        loss(y_pred, y, annotated)
    with pytest.raises(InputError, match="y holds"):
        DiceLoss(phi, activation="sigmoid")(logits[:, :1], y)
    loss(y_pred, y, annotated, y != 4)  # what is ignored does no harm
    if activation is None:
        with pytest.raises(InputError, match="y_pred holds"):
            loss(y_pred + 1, y.clamp(max=3), annotated)


def test_tiles_save_memory_on_large_volumes_where_they_are_faster(monkeypatch):
    volume, labels = torch.empty(1, 1, 128, 128, 128), torch.empty(1, 128, 128, 128)
    byte, wide = labels.to(torch.uint8), labels.to(torch.int64)
    assert not sums.plain_is_faster(volume, wide) or native.library() is None
    monkeypatch.setattr(native, "library", lambda: None)
    assert not sums.plain_is_faster(volume, byte)
    assert sums.plain_is_faster(volume, wide)
    assert not sums.plain_is_faster(volume.expand(1, 4, 128, 128, 128), wide)
    assert sums.plain_is_faster(volume[..., :32].expand(1, 2, 128, 128, 32), wide)

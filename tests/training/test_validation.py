import math

import pytest
import torch

from dicegrad.losses import DiceLoss
from dicegrad.training.dataset import PreparedData
from dicegrad.training.validation import harden, validate

CLASSES = ("LV", "MYO")


class Given(torch.nn.Module):
    """A network that predicts, sure of itself, the label map that is written into its image."""

    def __init__(self):
        super().__init__()
        self.modes = []

    def forward(self, image):
        self.modes.append(self.training)
        one_hot = torch.nn.functional.one_hot(image[:, 0].long(), 3).movedim(-1, 1)
        return 40.0 * one_hot


def cases(*pairs):
    """Cases of a prediction and a truth each, as rows of voxels."""
    predictions, truths = (
        torch.tensor(rows)[:, :, None, None] for rows in zip(*pairs, strict=True)
    )
    names = tuple(map(str, range(len(pairs))))
    return PreparedData(predictions[:, None].half(), truths.to(torch.uint8), names, CLASSES)


@pytest.fixture
def data():
    return cases(
        ([1, 1, 2, 0], [1, 1, 2, 0]),  # perfect
        ([1, 0, 2, 2], [1, 1, 2, 0]),  # both classes 2/3
        ([2, 0, 0, 0], [1, 1, 0, 0]),  # no MYO in truth, LV 0
    )


def test_logits_harden_to_the_likeliest_class_or_to_half_a_sigmoid():
    logits = torch.tensor([[1.0, -1.0], [0.5, 3.0], [0.9, -2.0]])[None, :, :, None, None]
    assert harden(logits).flatten().tolist() == [0, 1]
    assert harden(logits).dtype == torch.uint8
    assert harden(logits[:, :1] - 0.5).flatten().tolist() == [1, 0]


def test_the_dice_of_a_class_is_the_mean_over_the_cases_that_have_it(data):
    objective = DiceLoss("I", activation="softmax", include_background=False)
    _, dice = validate(Given(), data, (0, 1, 2), objective, 2)
    assert dice == pytest.approx([(1 + 2 / 3 + 0) / 3, (1 + 2 / 3) / 2])


def test_a_class_that_no_case_has_is_nan(data):
    _, dice = validate(Given(), data, (2,), lambda logits, label, annotated: logits.sum() * 0, 2)
    assert dice[0] == 0
    assert math.isnan(dice[1])


def test_the_loss_is_that_of_fixed_batches_weighted_by_their_size(data):
    seen = []

    def objective(logits, label, annotated):
        assert not torch.is_grad_enabled()
        seen.append([row.flatten().tolist() for row in label])
        return torch.tensor(0.1 if len(label) == 2 else 0.7)

    network = Given().train()
    loss, _ = validate(network, data, (2, 0, 1), objective, 2)
    assert loss == pytest.approx((2 * 0.1 + 0.7) / 3)
    assert seen == [[[1, 1, 0, 0], [1, 1, 2, 0]], [[1, 1, 2, 0]]]
    assert network.modes == [False, False]

"""The numbers in docs/faq.md are those of the losses and of the packages that it is about."""

import math
from pathlib import Path

import pytest
import torch

from dicegrad import CrossEntropyLoss, DiceLoss

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "faq.md").read_text().split())


def push(epsilon, predicted, true=0, overlap=0.0, phi="I"):
    """The derivative at a background voxel of a map with so many voxels predicted and true.

    The prediction is spread thinly over as many voxels as it takes.
    """
    voxels = 4000
    y, y_pred = torch.zeros(1, 1, voxels), torch.zeros(1, 1, voxels, dtype=torch.float64)
    y[..., :true] = 1
    if true:
        y_pred[..., :true] = overlap / true
    y_pred[..., true:] = (predicted - overlap) / (voxels - true)
    y_pred.requires_grad_()
    DiceLoss(phi, epsilon)(y_pred, y).backward()
    return y_pred.grad[0, 0, -1].item()


@pytest.mark.parametrize(
    ("said", "epsilon", "predicted", "value"),
    [
        ("with ε = 1e-5 and v = 100 voxels it is 1e-9", 1e-5, 100, 1e-9),
        ("up to 1/ε = 100,000 at v = 0", 1e-5, 0, 100_000),
        ("| 1e-7 | 1e-11 | ignored", 1e-7, 100, 1e-11),
        ("| 1 | 1e-4 | learnt slowly", 1, 100, 1e-4),
        ("1/(4v) = 2.5e-3, the most that any ε can do", 100, 100, 2.5e-3),
        ("= 10^{-11} $$", 1e-5, 1000, 1e-11),
    ],
)
def test_the_push_on_an_empty_map_is_what_the_page_says(said, epsilon, predicted, value):
    assert said in PAGE
    assert push(epsilon, predicted) == pytest.approx(value, rel=0.03)


def test_a_filled_map_pushes_its_background_as_the_page_says():
    assert "1/(4v) = 2.5·10⁻⁴" in PAGE
    assert push(1e-5, 1000, true=1000, overlap=500) == pytest.approx(2.5e-4, rel=1e-3)


def test_the_trap_lies_where_the_page_says():
    # pull of a labelled map of 1,000 voxels in which next to nothing is predicted: 2 / V
    assert "v = \\sqrt{\\varepsilon V / 2}" in PAGE
    assert "0.07 voxels for V = 1,000" in PAGE
    edge = math.sqrt(1e-5 * 1000 / 2)
    assert edge == pytest.approx(0.07, abs=0.005)
    assert push(1e-5, 0.5 * edge) > 2 / 1000 > push(1e-5, 2 * edge)


def test_a_fresh_network_is_pushed_down_above_the_epsilon_of_the_page():
    assert "0.2 for an object of 100 voxels among 100,000" in PAGE
    assert "A smoothing term of 1 is five times that" in PAGE
    y = torch.arange(100_000).reshape(1, 1, -1) < 100

    def pushed_down(epsilon):
        y_pred = torch.full(y.shape, 0.05, dtype=torch.float64, requires_grad=True)
        DiceLoss("I", epsilon)(y_pred, y).backward()
        return y_pred.grad.sum().item()

    assert pushed_down(1.01 * 0.2004) > 0 > pushed_down(0.99 * 0.2004)


def test_batch_wise_dice_of_empty_images_alone_is_image_wise_dice():
    assert push(1e-5, 1000, phi="BI") == push(1e-5, 1000, phi="I")


def test_cross_entropy_pushes_a_missing_class_by_its_probability():
    logits = torch.randn(2, 3, 50, dtype=torch.float64, requires_grad=True)
    CrossEntropyLoss()(logits, torch.zeros(2, 50, dtype=torch.long)).backward()
    expected = logits.softmax(1)[:, 2] / (2 * 50)
    torch.testing.assert_close(logits.grad[:, 2], expected.detach())


def test_nothing_reaches_a_map_that_is_not_annotated():
    logits = torch.randn(2, 3, 50, requires_grad=True)
    annotated = torch.tensor([[True, True, False], [True, True, True]])
    loss = DiceLoss("BI", 1e-7, activation="sigmoid")
    loss(logits, torch.randint(0, 3, (2, 50)), annotated).backward()
    assert (logits.grad[0, 2] == 0).all()
    assert (logits.grad[1, 2] != 0).any()


def test_monai_returns_0_for_the_mean_of_nothing():
    metrics = pytest.importorskip("monai.metrics")
    assert "the mean of nothing is returned as 0" in PAGE
    metric = metrics.DiceMetric(ignore_empty=True, get_not_nans=True, reduction="mean_batch")
    single = metric(torch.ones(1, 2, 8), torch.zeros(1, 2, 8))
    assert single.isnan().all()
    mean, count = metric.aggregate()
    assert mean.tolist() == [0, 0]
    assert count.tolist() == [0, 0]

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from dicegrad import DiceLoss, GeneralizedDiceLoss, SoftJaccardLoss


@pytest.mark.parametrize("phi", ["I", "CI", "BI", "BCI"])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_jaccard_is_the_dice_of_half_its_epsilon_bent(phi, norm, make_case, phi_subsets):
    from dicegrad import soft_dice

    logits, y = make_case()
    dice = soft_dice(logits.softmax(1), y, phi, 1.0, norm=norm)
    loss = SoftJaccardLoss(phi, 0.5, activation="softmax", norm=norm)(logits, y)
    assert loss.item() == pytest.approx((1 - dice / (2 - dice)).mean().item(), rel=1e-12)


def test_jaccard_takes_one_epsilon_per_class(make_case):
    logits, y = make_case(2, 3)
    p = logits.softmax(1)
    each = [SoftJaccardLoss("BI", e)(p[:, c : c + 1], y == c) for c, e in enumerate((1, 20, 300))]
    together = SoftJaccardLoss("BI", (1, 20, 300))(p, y)
    assert together.item() == pytest.approx(sum(each).item() / 3, rel=1e-12)


@pytest.mark.parametrize("weighting", ["square", "simple", "uniform"])
@pytest.mark.parametrize("phi", ["CI", "BCI"])
def test_generalized_dice_by_hand(phi, weighting, make_case, one_hot):
    logits, y = make_case(2, 3)
    y[0][y[0] == 2] = 0  # absent in one element, so it takes the larger of the other two weights
    p, truth = logits.softmax(1), one_hot(y, 3)
    parts = [(p, truth)] if phi == "BCI" else list(zip(p.split(1), truth.split(1), strict=True))
    expected = 0.0
    for part, own in parts:
        axes = (0, 2, 3, 4)
        volume = own.sum(axes)
        weight = {"square": volume**-2, "simple": 1 / volume, "uniform": volume**0}[weighting]
        weight = torch.where(weight.isinf(), weight[weight.isfinite()].max(), weight)
        twice = 2 * (weight * (part * own).sum(axes)).sum() + 1e-7
        expected += 1 - twice / ((weight * (part.sum(axes) + volume)).sum() + 1e-7)
    loss = GeneralizedDiceLoss(phi, weighting=weighting, activation="softmax")(logits, y)
    assert loss.item() == pytest.approx(expected.item() / len(parts), rel=1e-10)


def test_uniform_generalized_dice_is_the_dice_over_all_classes(make_case):
    logits, y = make_case()
    for phi in ("CI", "BCI"):
        own = GeneralizedDiceLoss(phi, 0.3, weighting="uniform", activation="softmax")(logits, y)
        assert own.item() == pytest.approx(
            DiceLoss(phi, 0.3, activation="softmax")(logits, y).item(), rel=1e-12
        )


@pytest.mark.parametrize(
    "loss",
    [
        SoftJaccardLoss("BI", 0.5, activation="softmax", include_background=False),
        SoftJaccardLoss("CI", 0.5, activation="sigmoid", norm="l2"),
        GeneralizedDiceLoss("CI", 0.5, activation="softmax"),
        GeneralizedDiceLoss("BCI", 0.5, activation="softmax", include_background=False),
    ],
)
def test_gradcheck_and_second_derivative(loss, make_case):
    logits, y = make_case(2, 3, (2, 2, 2))
    assert gradcheck(lambda x: loss(x, y), logits.requires_grad_())
    assert gradgradcheck(lambda x: loss(x, y), logits)


def test_both_empty_is_0():
    empty, y = torch.zeros(2, 1, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8)
    assert SoftJaccardLoss()(empty, y) == 0
    assert GeneralizedDiceLoss()(empty, y) == 0


def test_generalized_dice_learns_an_empty_class_and_image_dice_does_not():
    p = torch.full((1, 2, 400), 0.5, dtype=torch.float64, requires_grad=True)
    y = torch.zeros(1, 400, dtype=torch.uint8)  # background alone: class 1 is empty
    push = {
        type(loss).__name__: torch.autograd.grad(loss(p, y), p)[0][0, 1, 0].item()
        for loss in (DiceLoss("I"), GeneralizedDiceLoss("CI"))
    }
    assert push["DiceLoss"] < 1e-11
    assert push["GeneralizedDiceLoss"] == pytest.approx(2 * 200 / 800**2)

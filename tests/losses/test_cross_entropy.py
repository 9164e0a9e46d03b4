import pytest
import torch
import torch.nn.functional as F

from dicegrad import CrossEntropyLoss, DiceCELoss, DiceLoss
from dicegrad.errors import InputError


def test_softmax_cross_entropy_is_that_of_torch(make_case, one_hot):
    logits, y = make_case()
    weight = torch.tensor([0.1, 1.0, 2.0, 3.0], dtype=torch.float64)
    assert CrossEntropyLoss()(logits, y) == F.cross_entropy(logits, y)
    own = CrossEntropyLoss(weight=weight)(logits, y.to(torch.uint8)[:, None])
    assert own == F.cross_entropy(logits, y, weight)
    soft = CrossEntropyLoss()(logits, one_hot(y, 4))
    assert soft.item() == pytest.approx(F.cross_entropy(logits, y).item())


def test_sigmoid_cross_entropy_takes_every_form_of_the_truth(make_case, one_hot):
    for channels in (1, 3):
        logits, y = make_case(channels=channels)
        expected = F.binary_cross_entropy_with_logits(logits, one_hot(y, channels))
        loss = CrossEntropyLoss(activation="sigmoid")
        for form in (y, y.to(torch.uint8), y[:, None], one_hot(y, channels)):
            assert loss(logits, form).item() == pytest.approx(expected.item(), rel=1e-12)
        weight = [2.0] * channels
        doubled = CrossEntropyLoss(activation="sigmoid", weight=weight)(logits, y)
        positive = torch.full((channels, 1, 1, 1), 2.0, dtype=torch.float64)
        assert doubled == F.binary_cross_entropy_with_logits(
            logits, one_hot(y, channels), pos_weight=positive
        )


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_dice_and_cross_entropy_add_up(activation, make_case):
    logits, y = make_case()
    logits.requires_grad_()
    dice = DiceLoss("BI", 2.0, activation=activation, include_background=False)
    both = DiceCELoss(
        "BI", 2.0, activation=activation, include_background=False, dice_factor=0.3, ce_factor=2
    )
    expected = 0.3 * dice(logits, y) + 2 * CrossEntropyLoss(activation=activation)(logits, y)
    assert both(logits, y).item() == pytest.approx(expected.item(), rel=1e-12)
    (own,), (sum_of_both,) = (torch.autograd.grad(x, logits) for x in (both(logits, y), expected))
    torch.testing.assert_close(own, sum_of_both)


def test_wrong_settings_are_named():
    with pytest.raises(InputError, match="activation is None; allowed are 'softmax', 'sigmoid'"):
        DiceCELoss(activation=None)
    with pytest.raises(InputError, match="dice_factor is -1"):
        DiceCELoss(dice_factor=-1)
    with pytest.raises(InputError, match="weight has 2 values for 4 classes"):
        CrossEntropyLoss(weight=[1, 2])(torch.zeros(1, 4, 2, 2), torch.zeros(1, 2, 2).long())


def test_label_smoothing_is_that_of_torch_with_and_without_masks(make_case, one_hot):
    logits, y = make_case()
    weight = torch.tensor([0.1, 1.0, 2.0, 3.0], dtype=torch.float64)
    mask = torch.rand(y.shape, generator=torch.Generator().manual_seed(0)) < 0.6
    for w in (None, weight):
        own = CrossEntropyLoss(weight=w, label_smoothing=0.2)
        assert own(logits, y) == F.cross_entropy(logits, y, w, label_smoothing=0.2)
        expected = F.cross_entropy(
            logits, y.masked_fill(~mask, -100), w, label_smoothing=0.2, ignore_index=-100
        )
        assert own(logits, y, mask=mask).item() == pytest.approx(expected.item())
    smooth = CrossEntropyLoss(activation="sigmoid", label_smoothing=0.2)(logits, y)
    maps = one_hot(y, 4) * 0.8 + 0.1
    assert smooth.item() == pytest.approx(F.binary_cross_entropy_with_logits(logits, maps).item())


def test_label_smoothing_spreads_over_the_classes_that_a_case_tells_apart(make_case):
    logits, y = make_case(1, 4)
    y[y == 3] = 0
    annotated = torch.tensor([[True, True, True, False]])
    p = logits.softmax(1)
    p = torch.stack([p[:, 0] + p[:, 3], p[:, 1], p[:, 2]], 1).log()
    expected = F.cross_entropy(p, y, label_smoothing=0.2)  # of log probabilities, as of logits
    own = CrossEntropyLoss(label_smoothing=0.2)
    assert own(logits, y, annotated).item() == pytest.approx(expected.item())
    maps = F.one_hot(y, 4).movedim(-1, 1).double()
    assert own(logits, maps, annotated).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_focal_loss_by_hand(activation, make_case, one_hot):
    logits, y = make_case()
    truth = one_hot(y, 4)
    if activation == "softmax":
        q = (logits.softmax(1) * truth).sum(1)
    else:
        q = torch.where(truth == 1, logits.sigmoid(), 1 - logits.sigmoid())
    expected = ((1 - q) ** 2 * -q.log()).mean()
    own = CrossEntropyLoss(activation=activation, gamma=2)(logits, y)
    assert own.item() == pytest.approx(expected.item())


def test_focal_loss_of_monai_is_the_sum_over_classes_of_the_sigmoid_form(make_case, one_hot):
    losses = pytest.importorskip("monai.losses")
    logits, y = make_case()
    own = CrossEntropyLoss(activation="sigmoid", gamma=2)(logits, y)
    theirs = losses.FocalLoss(gamma=2.0, include_background=True)(logits, one_hot(y, 4))
    assert own.item() == pytest.approx(theirs.item(), rel=1e-6)


def test_top_k_is_the_mean_of_the_largest_terms(make_case):
    logits, y = make_case()
    mask = torch.rand(y.shape, generator=torch.Generator().manual_seed(0)) < 0.6
    terms = F.cross_entropy(logits, y, reduction="none")
    largest = terms.flatten().sort().values[-int(0.1 * y.numel()) :]
    own = CrossEntropyLoss(top_k=0.1)
    assert own(logits, y).item() == pytest.approx(largest.mean().item())
    kept = terms[mask].sort().values
    expected = kept[-int(0.1 * len(kept)) :].mean().item()
    assert own(logits, y, mask=mask).item() == pytest.approx(expected)


def test_reduction_none_gives_every_term(make_case):
    logits, y = make_case()
    mask = torch.rand(y.shape, generator=torch.Generator().manual_seed(0)) < 0.6
    terms = CrossEntropyLoss(reduction="none")(logits, y, mask=mask)
    torch.testing.assert_close(terms, F.cross_entropy(logits, y, reduction="none") * mask)
    total = CrossEntropyLoss(reduction="sum")(logits, y, mask=mask)
    assert total.item() == pytest.approx(terms.sum().item())
    each = CrossEntropyLoss(activation="sigmoid", reduction="none")(logits, y, mask=mask)
    assert each.shape == logits.shape


def test_dice_and_cross_entropy_hand_their_settings_on(make_case):
    logits, y = make_case()
    both = DiceCELoss(
        "BI", dice_weight=[1, 2, 3, 4], label_smoothing=0.1, gamma=1, top_k=0.5, ignore_index=3
    )
    dice = DiceLoss("BI", activation="softmax", weight=[1, 2, 3, 4], ignore_index=3)
    ce = CrossEntropyLoss(label_smoothing=0.1, gamma=1, top_k=0.5, ignore_index=3)
    assert both(logits, y) == dice(logits, y) + ce(logits, y)
    assert "ignore_index=3" in repr(both)
    assert "gamma=1.0, top_k=0.5" in repr(both)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"label_smoothing": 1}, "label_smoothing is 1"),
        ({"gamma": -1}, "gamma is -1"),
        ({"top_k": 10}, "top_k is 10; it must be above 0 and at most 1"),
        ({"top_k": 0.1, "reduction": "sum"}, "it needs 'mean'"),
    ],
)
def test_wrong_numbers_are_named(settings, named):
    with pytest.raises(InputError, match=named):
        CrossEntropyLoss(**settings)

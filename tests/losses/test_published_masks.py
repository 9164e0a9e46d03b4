"""What published losses with masks compute, in terms of annotated, mask and ignore_index.

Against MONAI and nnU-Net where they are installed, and against the formulas of the others, written
out from their released code in tests/published_losses.py. docs/published-implementations.md is the
table.
"""

import pytest
import torch
import torch.nn.functional as F

from dicegrad import (
    CrossEntropyLoss,
    DiceLoss,
    LeafDiceLoss,
    MarginalCrossEntropyLoss,
    MarginalDiceLoss,
    TverskyLoss,
)
from tests.loss_cases import assert_same
from tests.loss_cases import loss_and_gradient as both
from tests.published_losses import (
    dodnet,
    jdt,
    multitalent_bce,
    multitalent_dice,
    nnunet,
    shi,
    universal_model_bce,
    universal_model_dice,
)

AXES = (2, 3, 4)


@pytest.fixture
def voxel_mask(make_case):
    _, y = make_case()
    return torch.rand(y.shape, generator=torch.Generator().manual_seed(5)) < 0.7


ANNOTATED = torch.tensor([[True, False, True, True], [False, True, True, False]])


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("label", [255, 2])
def test_monai_ignore_index(batch, background, norm, label, make_case, voxel_mask):
    losses = pytest.importorskip("monai.losses")
    try:
        monai = losses.DiceLoss(
            include_background=background,
            softmax=True,
            to_onehot_y=True,
            squared_pred=norm == "l2",
            batch=batch,
            ignore_index=label,
        )
    except TypeError:
        pytest.skip("this MONAI has no ignore_index; 1.6.1 has")
    logits, y = make_case()
    y = y.masked_fill(~voxel_mask, label)
    own = DiceLoss(
        "BI" if batch else "I",
        1e-5,
        activation="softmax",
        include_background=background,
        norm=norm,
        ignore_index=label,
    )
    assert_same(both(own, logits, y), both(monai, logits, y[:, None]))


@pytest.mark.parametrize("background", [False, True])
def test_monai_masked_dice_is_a_mask_after_the_activation(
    background, make_case, voxel_mask, one_hot
):
    losses = pytest.importorskip("monai.losses")
    logits, y = make_case()
    monai = losses.MaskedDiceLoss(include_background=background, softmax=True)
    own = DiceLoss("I", 1e-5, activation="softmax", include_background=background)
    theirs = both(monai, logits, one_hot(y, 4), voxel_mask[:, None].double())
    assert_same(both(own, logits, y, None, voxel_mask), theirs)


def test_monai_masked_loss_masks_before_the_activation(make_case, voxel_mask, one_hot):
    # The logits of a masked voxel become 0, which a softmax makes 1 / C: it still counts in P.
    losses = pytest.importorskip("monai.losses")
    logits, y = make_case()
    monai = losses.MaskedLoss(losses.DiceLoss(softmax=True))
    theirs = both(monai, logits, one_hot(y, 4), voxel_mask[:, None].double())
    p = logits.softmax(1).where(voxel_mask[:, None], torch.tensor(0.25, dtype=torch.float64))
    truth = one_hot(y, 4) * voxel_mask[:, None]
    sums = [x.sum(AXES) for x in (p * truth, p, truth)]
    by_hand = 1 - ((2 * sums[0] + 1e-5) / (sums[1] + sums[2] + 1e-5)).mean()
    assert theirs[0] == pytest.approx(by_hand.item(), rel=1e-6)
    own = DiceLoss("I", 1e-5, activation="softmax")(logits, y, mask=voxel_mask)
    assert abs(own.item() - theirs[0]) > 0.01
    # masked outside, after the activation, it is what one wants
    outside = losses.MaskedLoss(losses.DiceLoss())(
        logits.softmax(1), one_hot(y, 4), voxel_mask[:, None].double()
    )
    assert own.item() == pytest.approx(outside.item(), rel=1e-6)


@pytest.mark.parametrize("batch_dice", [False, True])
@pytest.mark.parametrize("background", [False, True])
def test_nnunet_loss_mask_formula(batch_dice, background, make_case, voxel_mask, one_hot):
    logits, y = make_case()
    own = DiceLoss(
        "BI" if batch_dice else "I", 1e-5, activation="softmax", include_background=background
    )
    own = both(own, logits, y, None, voxel_mask)
    kind = {"batch_dice": batch_dice, "background": background}
    assert_same(own, both(nnunet, logits, one_hot(y, 4), voxel_mask, **kind), offset=1.0)
    dice = pytest.importorskip("nnunetv2.training.loss.dice", reason="nnunetv2 is not installed")
    theirs = dice.MemoryEfficientSoftDiceLoss(
        apply_nonlin=lambda x: x.softmax(1),
        batch_dice=batch_dice,
        do_bg=background,
        smooth=1e-5,
        ddp=False,
    )
    assert_same(own, both(theirs, logits, y[:, None], voxel_mask[:, None]), offset=1.0)


def test_nnunet_cross_entropy_of_an_ignore_label(make_case, voxel_mask):
    # DC_and_CE_loss hands the ignore label to torch's cross-entropy
    logits, y = make_case()
    y = y.masked_fill(~voxel_mask, 4)
    own = both(CrossEntropyLoss(ignore_index=4), logits, y)
    assert_same(own, both(lambda z, t: F.cross_entropy(z, t, ignore_index=4), logits, y))


def test_multitalent_is_bi_over_annotated_maps_and_bce_over_them(make_case, one_hot):
    logits, y = make_case()
    given = (logits, one_hot(y, 4), ANNOTATED)
    dice = DiceLoss("BI", 1e-12, activation="sigmoid", reduction="sum")
    assert_same(both(dice, logits, y, ANNOTATED), both(multitalent_dice, *given), offset=4.0)
    bce = CrossEntropyLoss(activation="sigmoid")
    assert_same(both(bce, logits, y, ANNOTATED), both(multitalent_bce, *given))


def test_dodnet_is_the_mean_over_classes_of_the_mean_over_annotated_cases(make_case, one_hot):
    def own(logits, y):
        of_classes = []
        for c in range(4):  # a class by itself, as one map
            given = logits[:, c : c + 1], (y == c).long(), ANNOTATED[:, c : c + 1]
            dice = LeafDiceLoss(1.0, activation="sigmoid")(*given)
            of_classes.append(dice + CrossEntropyLoss(activation="sigmoid")(*given))
        return torch.stack(of_classes).mean()

    logits, y = make_case()
    assert_same(both(own, logits, y), both(dodnet, logits, one_hot(y, 4), ANNOTATED))


def test_the_universal_model_is_the_mean_over_annotated_maps(make_case, one_hot):
    logits, y = make_case()
    given = (logits, one_hot(y, 4), ANNOTATED)
    dice = LeafDiceLoss(1.0, activation="sigmoid", include_background=True)
    assert_same(both(dice, logits, y, ANNOTATED), both(universal_model_dice, *given))
    bce = CrossEntropyLoss(activation="sigmoid")
    assert_same(both(bce, logits, y, ANNOTATED), both(universal_model_bce, *given))


def test_shi_marginal_and_exclusion_of_the_annotated_classes(make_case, one_hot):
    def own(logits, y):
        annotated = torch.tensor([[True, False, True]] * 2)
        dice = MarginalDiceLoss(1e-12, activation="softmax", exclusion=2)
        return dice(logits, y, annotated) + MarginalCrossEntropyLoss()(logits, y, annotated)

    logits, y = make_case()
    assert_same(both(own, logits, y), both(shi, logits, one_hot(y, 4), [1, 3]), offset=2.0)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 0.5), (0.3, 0.7)])
def test_jdt_is_the_tversky_loss_for_hard_labels(alpha, beta, make_case, voxel_mask, one_hot):
    logits, y = make_case()
    own = TverskyLoss(alpha, beta, "I", 1e-3, activation="softmax")
    published = both(jdt, logits, one_hot(y, 4), voxel_mask, alpha=alpha, beta=beta)
    assert_same(both(own, logits, y, None, voxel_mask), published)


def test_monai_tversky(make_case, one_hot):
    losses = pytest.importorskip("monai.losses")
    logits, y = make_case()
    monai = losses.TverskyLoss(softmax=True, alpha=0.3, beta=0.7, smooth_nr=1e-5, smooth_dr=1e-5)
    own = TverskyLoss(0.3, 0.7, "I", 1e-5, activation="softmax")
    assert_same(both(own, logits, y), both(monai, logits, one_hot(y, 4)))

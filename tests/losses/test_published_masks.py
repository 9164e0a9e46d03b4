"""What published losses with masks compute, in terms of annotated, mask and ignore_index.

Against MONAI and nnU-Net where they are installed, and against the formulas of the others, written
out from their released code. docs/published-implementations.md is the table.
"""

import pytest
import torch
import torch.nn.functional as F

from dicegrad import (
    CrossEntropyLoss,
    DiceLoss,
    MarginalCrossEntropyLoss,
    MarginalDiceLoss,
    TverskyLoss,
)
from tests.loss_cases import assert_same
from tests.loss_cases import loss_and_gradient as both

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
    # MemoryEfficientSoftDiceLoss, nnU-Net 2.8.1: -(2 sum m y p + s) / (sum m p + sum m y + s)
    first = 0 if background else 1

    def published(logits, y, mask):
        p, truth, m = logits.softmax(1)[:, first:], one_hot(y, 4)[:, first:], mask[:, None]
        sums = [x.sum(AXES) for x in (p * truth * m, p * m, truth * m)]
        inter, pred, true = [x.sum(0) for x in sums] if batch_dice else sums
        return -((2 * inter + 1e-5) / (pred + true + 1e-5).clamp_min(1e-8)).mean()

    logits, y = make_case()
    own = DiceLoss(
        "BI" if batch_dice else "I", 1e-5, activation="softmax", include_background=background
    )
    own = both(own, logits, y, None, voxel_mask)
    assert_same(own, both(published, logits, y, voxel_mask), offset=1.0)
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
    # MultiTalent_Trainer_DDP.compute_loss: sigmoid regions; the voxels of one annotated map after
    # the other enter TP, FP and FN of its class over the batch; BCE over the same
    def published_dice(logits, y):
        p, truth, total = logits.sigmoid(), one_hot(y, 4), 0.0
        for c in range(4):
            valid = ANNOTATED[:, c]
            a, b = p[valid, c], truth[valid, c]
            tp, fp, fn = (a * b).sum(), (a * (1 - b)).sum(), ((1 - a) * b).sum()
            total = total - 2 * tp / (2 * tp + fp + fn)
        return total

    def published_bce(logits, y):
        terms = F.binary_cross_entropy_with_logits(logits, one_hot(y, 4), reduction="none")
        return terms[ANNOTATED].mean()

    logits, y = make_case()
    dice = DiceLoss("BI", 1e-12, activation="sigmoid", reduction="sum")
    assert_same(both(dice, logits, y, ANNOTATED), both(published_dice, logits, y), offset=4.0)
    bce = CrossEntropyLoss(activation="sigmoid")
    assert_same(both(bce, logits, y, ANNOTATED), both(published_bce, logits, y))


def test_dodnet_is_the_mean_of_each_class_over_its_annotated_cases(make_case, one_hot):
    # DiceLoss4MOTS and CELoss4MOTS: maps whose label is -1 are dropped, smooth 1 below only
    def published(logits, y):
        p, truth = logits.sigmoid(), one_hot(y, 4)
        dice = 2 * (p * truth).sum(AXES) / (p.sum(AXES) + truth.sum(AXES) + 1)
        ce = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(AXES)
        classes = [c for c in range(4) if ANNOTATED[:, c].any()]
        each = [(1 - dice + ce)[ANNOTATED[:, c], c].mean() for c in classes]
        return torch.stack(each).mean()

    def own(logits, y):
        # the class mean of case means: each map counts once for its class, each class once
        share = 1 / ANNOTATED.sum(0)
        dice = DiceLoss("I", 1e-12, activation="sigmoid", reduction="none")
        smaller = both_volumes(logits, y, one_hot)  # epsilon below only shrinks the Dice
        values = 1 - (1 - dice(logits, y, ANNOTATED)) * smaller
        ce = CrossEntropyLoss(activation="sigmoid", reduction="none")(logits, y, ANNOTATED)
        return ((values + ce.mean(AXES)) * ANNOTATED * share).sum() / 4

    logits, y = make_case()
    assert_same(both(own, logits, y), both(published, logits, y))


def both_volumes(logits, y, one_hot):
    total = logits.sigmoid().sum(AXES) + one_hot(y, 4).sum(AXES)
    return total / (total + 1)


def test_the_universal_model_is_the_mean_over_annotated_maps(make_case, one_hot):
    # CLIP-Driven Universal Model: 1 - 2 I / (P + T + 1), and BCE, each the mean over the maps in
    # the list of the data set
    def published_dice(logits, y):
        p, truth = logits.sigmoid(), one_hot(y, 4)
        dice = 2 * (p * truth).sum(AXES) / (p.sum(AXES) + truth.sum(AXES) + 1)
        return (1 - dice)[ANNOTATED].mean()

    def published_bce(logits, y):
        truth = one_hot(y, 4)
        maps = [(b, c) for b in range(2) for c in range(4) if ANNOTATED[b, c]]
        terms = [F.binary_cross_entropy_with_logits(logits[b, c], truth[b, c]) for b, c in maps]
        return torch.stack(terms).mean()

    def own_dice(logits, y):
        dice = DiceLoss("I", 1e-12, activation="sigmoid", reduction="none")
        values = 1 - (1 - dice(logits, y, ANNOTATED)) * both_volumes(logits, y, one_hot)
        return (values * ANNOTATED).sum() / ANNOTATED.sum()

    logits, y = make_case()
    assert_same(both(own_dice, logits, y), both(published_dice, logits, y))
    bce = CrossEntropyLoss(activation="sigmoid")
    assert_same(both(bce, logits, y, ANNOTATED), both(published_bce, logits, y))


def test_shi_marginal_and_exclusion_of_the_annotated_classes(make_case, one_hot):
    # Shi et al. 2021, one list of annotated classes for the batch (here 1 and 3): cross-entropy
    # and Dice of merged probabilities, and twice the negative Dice loss of p and 1 - y
    def published(logits, y):
        p, truth = logits.softmax(1), one_hot(y, 4)
        q = torch.stack([p[:, 0] + p[:, 2], p[:, 1], p[:, 3]], 1)
        t = torch.stack([truth[:, 0] + truth[:, 2], truth[:, 1], truth[:, 3]], 1)
        dice = 2 * (q * t).sum(AXES) / (q.sum(AXES) + t.sum(AXES))
        apart = 2 * (p * (1 - truth)).sum(AXES) / (p.sum(AXES) + (1 - truth).sum(AXES))
        exclusion = -(1 - apart[:, [1, 3]].mean())
        return -(t * q.log()).sum(1).mean() + 1 - dice.mean() + 2 * exclusion

    def own(logits, y):
        annotated = torch.tensor([[True, False, True]] * 2)
        dice = MarginalDiceLoss(1e-12, activation="softmax", exclusion=2)
        return dice(logits, y, annotated) + MarginalCrossEntropyLoss()(logits, y, annotated)

    logits, y = make_case()
    assert_same(both(own, logits, y), both(published, logits, y), offset=2.0)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 0.5), (0.3, 0.7)])
def test_jdt_is_the_tversky_loss_for_hard_labels(alpha, beta, make_case, voxel_mask, one_hot):
    # Wang et al.: TP = (|p| + |y| - |p - y|) / 2, so that soft labels have their minimum at p = y
    def published(logits, y, mask):
        p, truth, m = logits.softmax(1), one_hot(y, 4), mask[:, None]
        difference = ((p - truth).abs() * m).sum(AXES)
        pred, true = (p * m).sum(AXES), (truth * m).sum(AXES)
        tp = (pred + true - difference) / 2
        index = (tp + 1e-3) / (tp + alpha * (pred - tp) + beta * (true - tp) + 1e-3)
        return 1 - index.mean()

    logits, y = make_case()
    own = TverskyLoss(alpha, beta, "I", 1e-3, activation="softmax")
    assert_same(both(own, logits, y, None, voxel_mask), both(published, logits, y, voxel_mask))


def test_monai_tversky(make_case, one_hot):
    losses = pytest.importorskip("monai.losses")
    logits, y = make_case()
    monai = losses.TverskyLoss(softmax=True, alpha=0.3, beta=0.7, smooth_nr=1e-5, smooth_dr=1e-5)
    own = TverskyLoss(0.3, 0.7, "I", 1e-5, activation="softmax")
    assert_same(both(own, logits, y), both(monai, logits, one_hot(y, 4)))

"""The push meter's numbers are those of autograd through the package's own losses."""

from itertools import product

import pytest
import torch

from dicegrad import DiceLoss, MarginalDiceLoss
from dicegrad.advice.push import IMAGE, Setting, in_batch, pushes, regime
from dicegrad.errors import InputError
from tests.conftest import refusal

V = 8  # voxels of the object
HIT = 4


def batch(kinds, classes, background=False):
    """Predictions and truth (B, C, N): each class has an object of V voxels, HIT of them right."""
    n = IMAGE * classes * V
    y = torch.zeros(len(kinds), classes, n, dtype=torch.float64)
    p = torch.zeros_like(y)
    for b, kind in enumerate(kinds):
        for c in range(classes):
            start = 4 * V * c
            if c > 0 or kind == "labelled":
                y[b, c, start : start + V] = 1
            p[b, c, start + V - HIT : start + 2 * V - HIT] = 1
    if background:
        y = torch.cat([1 - y.sum(1, keepdim=True), y], 1)
        p = torch.cat([1 - p.sum(1, keepdim=True), p], 1)
    return p.requires_grad_(), y


FALSE, TRUE = V, 0  # a voxel that is predicted only, and one that is true only


def derivatives(loss, kinds, classes, background=False):
    p, y = batch(kinds, classes, background)
    loss(p, y).backward()
    return p.grad[0, int(background)]


def kinds_of(first, size, missing):
    return [first, *["missing"] * missing, *["labelled"] * (size - 1 - missing)]


SETTINGS = [
    (phi, size, missing, epsilon, classes)
    for phi, size, epsilon, classes in product(
        ("I", "CI", "BI", "BCI"), (1, 2, 3), (1e-5, 3.0), (1, 2)
    )
    for missing in range(size)
]


@pytest.mark.parametrize(("phi", "size", "missing", "epsilon", "classes"), SETTINGS)
def test_as_empty_is_the_derivative_of_the_dice_loss(phi, size, missing, epsilon, classes):
    setting = Setting(phi, size, epsilon, V, HIT / V, unannotated="as_empty", classes=classes)
    told = in_batch(setting, missing)
    loss = DiceLoss(phi, epsilon)
    for kind in ("labelled", "empty", "missing"):
        slope = derivatives(loss, kinds_of(kind, size, missing), classes)
        assert told[kind] == pytest.approx(slope[FALSE].item(), rel=1e-12)
        if kind == "labelled":
            assert told["pull"] == pytest.approx(slope[TRUE].item(), rel=1e-12)


@pytest.mark.parametrize(("size", "missing", "classes"), [(2, 1, 1), (3, 1, 2), (3, 2, 1)])
@pytest.mark.parametrize("phi", ["I", "BI"])
def test_ignored_is_the_dice_loss_of_the_annotated_maps(phi, size, missing, classes):
    setting = Setting(phi, size, 0.5, V, HIT / V, unannotated="ignored", classes=classes)

    def annotated_only(kinds):
        p, y = batch(kinds, classes)
        keep = [b for b, kind in enumerate(kinds) if kind != "missing"]
        own = DiceLoss(phi, 0.5)
        if phi == "BI":  # each class over the elements in which it was annotated
            parts = [own(p[keep, :1], y[keep, :1])]
            parts += [own(p[:, c : c + 1], y[:, c : c + 1]) for c in range(1, classes)]
            value = sum(parts) / len(parts)
        else:  # the mean over annotated maps
            maps = [(b, 0) for b in keep] + [(b, c) for b in range(size) for c in range(1, classes)]
            value = sum(own(p[b : b + 1, c : c + 1], y[b : b + 1, c : c + 1]) for b, c in maps)
            value = value / len(maps)
        value.backward()
        return p.grad[0, 0]

    told = in_batch(setting, missing)
    for kind in ("labelled", "empty"):
        slope = annotated_only(kinds_of(kind, size, missing))
        assert told[kind] == pytest.approx(slope[FALSE].item(), rel=1e-12)
    assert told["missing"] == 0


@pytest.mark.parametrize(("size", "missing", "classes"), [(1, 0, 1), (2, 1, 2), (3, 1, 1)])
def test_marginal_pulls_a_missing_class_as_the_background_it_belongs_to(size, missing, classes):
    # The released marginal Dice counts missing maps in its mean; the mask takes them out of it.
    setting = Setting("I", size, 0.5, V, HIT / V, unannotated="marginal", classes=classes)
    kinds = kinds_of("missing", size, missing)
    slope = derivatives(MarginalDiceLoss(0.5), kinds, classes, background=True)
    maps = size * (classes + 1)
    counted = maps - kinds.count("missing")
    told = in_batch(setting, missing)["missing"]
    assert told == pytest.approx(slope[FALSE].item() * maps / counted, rel=1e-12)
    assert told < 0


@pytest.mark.parametrize("phi", ["CI", "BI", "BCI"])
@pytest.mark.parametrize("kind", ["labelled", "empty", "missing"])
def test_marginal_is_the_dice_of_merged_maps_whatever_is_pooled(phi, kind):
    size, missing, classes, epsilon = 3, 1, 2, 0.5
    setting = Setting(phi, size, epsilon, V, HIT / V, unannotated="marginal", classes=classes)
    kinds = kinds_of(kind, size, missing)
    p, y = batch(kinds, classes, background=True)
    gone = torch.tensor([[False, each == "missing", False] for each in kinds])[..., None]
    merged = torch.where(gone, 0, p)
    merged = torch.cat([merged[:, :1] + torch.where(gone, p, 0).sum(1, True), merged[:, 1:]], 1)
    DiceLoss(phi, epsilon)(merged, y).backward()
    assert in_batch(setting, missing)[kind] == pytest.approx(p.grad[0, 1, FALSE].item(), rel=1e-12)


def test_the_mean_over_batches_is_that_of_the_theory_page():
    # BI beside I-epsilon at B = 2, half of the maps without a true voxel: 0.44
    own = pushes(Setting("BI", 2, 1e-7, 8789, 0.5, 0.5)).empty_push
    heuristic = pushes(Setting("I", 2, 8789, 8789, 0.5, 0.5)).empty_push
    assert own / heuristic == pytest.approx(0.44, abs=0.005)


def test_the_regime_is_told_in_words():
    assert "Missing maps are ignored" in regime(Setting("I"))
    assert "Missing maps are learnt as empty" in regime(Setting("BI"))
    masked = regime(Setting("BI", unannotated="ignored"))
    assert "Missing maps are left alone" in masked
    assert "Empty maps are learnt" in masked


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"phi": "B"}, "allowed are I, CI, BI, BCI"),
        ({"batch_size": 0}, "at least 1"),
        ({"epsilon": 0}, "above 0"),
        ({"overlap": 1.5}, "0 to 1"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(wrong, named):
    assert named in refusal(lambda: Setting(**wrong))
    with pytest.raises(InputError):
        Setting(**wrong)

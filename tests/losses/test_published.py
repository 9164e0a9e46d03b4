"""What published implementations compute, in terms of phi, epsilon and norm.

Against the package where it is installed; V-Net, DeepMedic and NiftyNet, whose layers are tied to
frameworks of their day, by their published formula (tests/published_losses.py).
docs/published-implementations.md is the table.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dicegrad import DiceLoss, GeneralizedDiceLoss, SoftJaccardLoss, dice_gradient, soft_dice
from tests.conftest import needs
from tests.loss_cases import assert_same
from tests.loss_cases import loss_and_gradient as both
from tests.published_losses import deepmedic, niftynet, nnunet, vnet


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    ("channels", "activation", "background"),
    [
        (1, "sigmoid", True),
        (4, "sigmoid", True),
        (4, "sigmoid", False),
        (4, "softmax", True),
        (4, "softmax", False),
        (4, None, True),
        (4, None, False),
    ],
)
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("epsilon", [1e-7, 1e-5, 10.0])
def test_monai_dice(batch, channels, activation, background, norm, epsilon, make_case, one_hot):
    losses = pytest.importorskip("monai.losses")
    logits, y = make_case(2, channels)
    y_pred = logits.softmax(1) if activation is None else logits
    monai = losses.DiceLoss(
        include_background=background,
        sigmoid=activation == "sigmoid",
        softmax=activation == "softmax",
        squared_pred=norm == "l2",
        smooth_nr=epsilon,
        smooth_dr=epsilon,
        batch=batch,
    )
    own = DiceLoss(
        "BI" if batch else "I",
        epsilon,
        activation=activation,
        include_background=background,
        norm=norm,
    )
    # one-hot maps in float64, since MONAI's own conversion makes them float32
    assert_same(both(own, y_pred, y), both(monai, y_pred, one_hot(y, channels)))


def test_monai_weight(make_case, one_hot):
    losses = pytest.importorskip("monai.losses")
    logits, y = make_case()
    weight = [0.5, 1.0, 2.0, 4.0]
    monai = losses.DiceLoss(softmax=True, weight=weight, smooth_nr=0.1, smooth_dr=0.1)
    own = DiceLoss("I", 0.1, activation="softmax", weight=weight)
    assert_same(both(own, logits, y), both(monai, logits, one_hot(y, 4)))


@pytest.mark.parametrize("batch", [False, True])
def test_monai_jaccard_counts_epsilon_twice(batch, make_case, one_hot):
    losses = pytest.importorskip("monai.losses")
    logits, y = make_case()
    monai = losses.DiceLoss(softmax=True, jaccard=True, smooth_nr=0.2, smooth_dr=0.2, batch=batch)
    own = SoftJaccardLoss("BI" if batch else "I", 0.1, activation="softmax")
    assert_same(both(own, logits, y), both(monai, logits, one_hot(y, 4)))


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("weighting", ["square", "simple", "uniform"])
@pytest.mark.parametrize("background", [True, False])
def test_monai_generalized_dice(batch, weighting, background, make_case, one_hot):
    losses = pytest.importorskip("monai.losses")
    logits, y = make_case()
    y[0][y[0] == 2] = 1  # absent in one element
    monai = losses.GeneralizedDiceLoss(
        softmax=True,
        w_type=weighting,
        smooth_nr=1e-4,
        smooth_dr=1e-4,
        batch=batch,
        include_background=background,
    )
    own = GeneralizedDiceLoss(
        "BCI" if batch else "CI",
        1e-4,
        weighting=weighting,
        activation="softmax",
        include_background=background,
    )
    assert_same(both(own, logits, y), both(monai, logits, one_hot(y, 4)))


@pytest.mark.parametrize("batch_dice", [False, True])
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("smooth", [1e-5, 1.0])
def test_nnunet_soft_dice_is_i_or_bi_minus_one(batch_dice, background, smooth, make_case):
    dice = pytest.importorskip("nnunetv2.training.loss.dice", reason="nnunetv2 is not installed")
    logits, y = make_case()
    phi = "BI" if batch_dice else "I"
    own = DiceLoss(phi, smooth, activation="softmax", include_background=background)
    for kind in (dice.MemoryEfficientSoftDiceLoss, dice.SoftDiceLoss):
        theirs = kind(
            apply_nonlin=lambda x: x.softmax(1),
            batch_dice=batch_dice,
            do_bg=background,
            smooth=smooth,
            ddp=False,
        )
        assert_same(both(own, logits, y), both(theirs, logits, y[:, None]), offset=1.0)


@pytest.mark.parametrize("batch_dice", [False, True])
def test_nnunet_formula(batch_dice, make_case, one_hot):
    logits, y = make_case()
    phi = "BI" if batch_dice else "I"
    own = both(DiceLoss(phi, 1e-5, activation="softmax", include_background=False), logits, y)
    published = both(nnunet, logits, one_hot(y, 4), batch_dice=batch_dice)
    assert_same(own, published, offset=1.0)


@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_segmentation_models_pytorch_is_bi_and_drops_classes_empty_in_the_batch(smooth, make_case):
    smp = needs(
        "segmentation_models_pytorch.losses.dice", reason="segmentation-models is not installed"
    )
    logits, y = make_case()
    theirs = both(smp.DiceLoss("multiclass", smooth=smooth), logits, y)
    # (I + s) / (I + F/2 + s), so epsilon = 2 s; with s = 0 the denominator is cut at 1e-7
    own = DiceLoss("BI", 2 * smooth or 1e-12, activation="softmax")
    assert_same(both(own, logits, y), theirs)
    y[y == 2] = 0
    value, _ = both(smp.DiceLoss("multiclass", smooth=smooth), logits, y)
    parts = soft_dice(logits, y, "BI", 2 * smooth or 1e-12, activation="softmax")[0]
    assert value == pytest.approx((1 - parts[[0, 1, 3]]).sum().item() / 4)


def test_torchmetrics_macro_dice_is_i_or_bi_with_empty_subsets_left_out(make_case, one_hot):
    functional = needs(
        "torchmetrics.functional.segmentation", reason="torchmetrics is not installed"
    )
    logits, y = make_case()
    maps = one_hot(logits.argmax(1), 4).long()
    truth = one_hot(y, 4).long()
    for level, phi in (("samplewise", "I"), ("global", "BI")):
        theirs = functional.dice_score(
            maps, truth, 4, average="none", input_format="one-hot", aggregation_level=level
        )
        torch.testing.assert_close(theirs.double(), soft_dice(maps.double(), y, phi, 1e-9))
    nothing = torch.zeros(1, 2, 4, dtype=torch.long)
    score = functional.dice_score(nothing, nothing, 2, average="none", input_format="one-hot")
    assert score.isnan().all()  # the paper's epsilon makes it 1


def test_vnet_derivative_is_the_l2_norm_without_epsilon(make_case, one_hot):
    logits, y = make_case(1, 1)
    p, g = logits.sigmoid(), one_hot(y, 1)
    _, derivative = both(vnet, p, g)
    torch.testing.assert_close(dice_gradient(p, y, "I", 1e-12, norm="l2"), derivative)


def test_deepmedic_is_bi_with_background(make_case, one_hot):
    logits, y = make_case()
    own = DiceLoss("BI", 1e-5, activation="softmax")
    assert_same(both(own, logits, y), both(deepmedic, logits, one_hot(y, 4)))


def test_niftynet_generalised_dice_is_ci_weighted_without_epsilon(make_case, one_hot):
    logits, y = make_case()
    y[1][y[1] == 3] = 1
    own = GeneralizedDiceLoss("CI", 1e-12, activation="softmax")
    assert_same(both(own, logits, y), both(niftynet, logits, one_hot(y, 4)))


def snippets():
    """The Python that the page says to put in the place of MONAI's and nnU-Net's loss."""
    page = Path(__file__).parents[2] / "docs" / "published-implementations.md"
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_documented_drop_in_for_monai_gives_its_loss():
    losses = pytest.importorskip("monai.losses", reason="monai is not installed")
    y_pred, y = torch.randn(2, 3, 6, 5, 4), torch.randint(0, 3, (2, 1, 6, 5, 4))
    namespace = {}
    exec(snippets()[0], namespace)
    theirs = losses.DiceLoss(softmax=True, to_onehot_y=True, include_background=False)
    assert namespace["loss"](y_pred, y).item() == pytest.approx(theirs(y_pred, y).item(), rel=1e-5)


@pytest.mark.parametrize("deep", [True, False])
def test_the_documented_trainer_of_nnunet_learns_from_its_outputs_and_targets(deep):
    pytest.importorskip("nnunetv2", reason="nnunetv2 is not installed")
    namespace = {}
    exec(snippets()[1], namespace)
    trainer = object.__new__(namespace["nnUNetTrainerMissingLabels"])
    trainer.label_manager = SimpleNamespace(has_regions=False, ignore_label=None)
    pools = [[1, 1, 1], [2, 2, 2], [2, 2, 2], [2, 2, 2]]
    trainer.configuration_manager = SimpleNamespace(batch_dice=False, pool_op_kernel_sizes=pools)
    trainer.is_ddp, trainer.enable_deep_supervision = False, deep
    trainer.device, trainer._do_i_compile = torch.device("cpu"), lambda: False
    outputs = [torch.randn(2, 3, n, n, n, requires_grad=True) for n in (8, 4, 2)]
    targets = [torch.randint(0, 3, (2, 1, n, n, n)).float() for n in (8, 4, 2)]
    given = (outputs, targets) if deep else (outputs[0], targets[0])
    loss = trainer._build_loss()(*given)
    loss.backward()
    own = DiceLoss("I", 1e-7, activation="softmax", include_background=False)
    first, second = (own(*each) for each in zip(outputs[:2], targets[:2], strict=True))
    expected = (first + second / 2) / 1.5 if deep else first
    assert loss.item() == pytest.approx(expected.item() - 1, rel=1e-6)
    assert outputs[0].grad.abs().sum() > 0

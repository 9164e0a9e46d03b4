import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dicegrad.errors import InputError
from dicegrad.losses import DiceLoss, LeafDiceLoss, MarginalDiceLoss
from dicegrad.study.experiment import Experiment
from dicegrad.study.losses import LOSSES, NONE
from dicegrad.training.objective import Wanted, make_objective

HEART = ("LV", "MYO", "RV")


def make(loss, phi, epsilon, classes, released=(), voxels=0, unannotated="as_empty", ignored=False):
    """The loss of a row; the epsilon is the number that `heuristic` or the row stands for."""
    written = (
        NONE if epsilon is None else "heuristic" if isinstance(epsilon, list) else str(epsilon)
    )
    row = Experiment("heart", "partial", loss, phi, written, 2, unannotated)
    return make_objective(Wanted(row, epsilon, tuple(classes), released, voxels, ignored))


@pytest.fixture
def heart():
    """Logits (2, 4, 3, 3, 2) and labels of which one case has no myocardium."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((2, 4, 3, 3, 2), generator=generator)
    label = torch.randint(0, 4, (2, 3, 3, 2), generator=generator).to(torch.uint8)
    label[1][label[1] == 2] = 0
    return logits, label


@pytest.mark.parametrize("phi", ["I", "CI", "BI", "BCI"])
def test_dice_of_three_classes_is_a_softmax_without_its_background(heart, phi):
    loss = make("dice", phi, 1e-7, HEART)(*heart)
    expected = DiceLoss(phi, 1e-7, activation="softmax", include_background=False)(*heart)
    assert torch.equal(loss, expected)


def test_dice_by_hand(heart):
    logits, label = heart
    p = logits.softmax(1)
    dice = [
        (2 * (p[b, k] * (label[b] == k)).sum() + 5.0) / (p[b, k].sum() + (label[b] == k).sum() + 5)
        for b in range(2)
        for k in (1, 2, 3)
    ]
    loss = make("dice", "I", 5.0, HEART)(*heart)
    torch.testing.assert_close(loss, 1 - torch.stack(dice).mean())


def test_dice_of_one_class_is_a_sigmoid():
    logits = torch.tensor([[[[[0.0, 2.0]]]]])
    label = torch.tensor([[[[0, 1]]]], dtype=torch.uint8)
    p = logits.sigmoid().flatten()
    expected = 1 - 2 * p[1] / (p.sum() + 1)
    torch.testing.assert_close(make("dice", "I", 1e-7, ["tumor"])(logits, label), expected)


def test_every_class_may_have_its_own_epsilon(heart):
    epsilon = [3.0, 5.0, 7.0]
    loss = make("dice", "BI", epsilon, HEART)(*heart)
    expected = DiceLoss("BI", epsilon, activation="softmax", include_background=False)(*heart)
    assert torch.equal(loss, expected)
    assert not torch.equal(loss, make("dice", "BI", 3.0, HEART)(*heart))


@pytest.mark.parametrize("phi", ["I", "CI", "BI", "BCI"])
def test_the_epsilon_of_one_class_goes_with_every_reduction(phi):
    logits, label = torch.randn(2, 1, 3, 3, 2), torch.ones(2, 3, 3, 2, dtype=torch.uint8)
    of_list = make("dice", phi, [40.0], ["tumor"])(logits, label)
    assert torch.equal(of_list, make("dice", phi, 40.0, ["tumor"])(logits, label))


def soft_dice(logits, label, case, k, epsilon):
    p, y = logits.softmax(1)[case, k], (label[case] == k).float()
    return (2 * (p * y).sum() + epsilon) / (p.sum() + y.sum() + epsilon)


def test_the_released_scale_is_a_mean_over_four_maps_of_which_the_background_weighs_nothing(heart):
    weighted = [
        w * soft_dice(*heart, b, k, 5.0) for b in (0, 1) for k, w in enumerate((0, 1, 1, 1))
    ]
    loss = make("dice", "I", 5.0, HEART, ["loss_scale"])(*heart)
    torch.testing.assert_close(loss, 1 - sum(weighted) / 8)
    three_quarters = 1 - 0.75 * (1 - make("dice", "I", 5.0, HEART)(*heart))
    torch.testing.assert_close(loss, three_quarters)


def test_the_released_epsilon_reaches_every_class_background_included(heart):
    logits, label = heart
    epsilon, voxels = [3.0, 5.0, 7.0], 18
    terms = [
        soft_dice(logits, label, b, k, e) for b in (0, 1) for k in (1, 2, 3) for e in (3.0, 3, 5, 7)
    ]  # 3 is also what the classes leave of 18 voxels for the background
    switch = ["epsilon_broadcast"]
    loss = make("dice", "I", epsilon, HEART, switch, voxels)(*heart)
    torch.testing.assert_close(loss, 1 - torch.stack(terms).mean())
    both = make("dice", "I", epsilon, HEART, ["loss_scale", *switch], voxels)(*heart)
    torch.testing.assert_close(both, 1 - 0.75 * torch.stack(terms).mean())


def test_released_variants_have_the_gradient_of_their_formula(heart):
    logits, label = heart[0].double().requires_grad_(), heart[1]
    loss = make("dice", "I", [3.0, 5.0, 7.0], HEART, ["loss_scale", "epsilon_broadcast"], 20)
    p = [(b, k, e) for b in (0, 1) for k in (1, 2, 3) for e in (5.0, 3, 5, 7)]
    formula = 1 - 0.75 * torch.stack([soft_dice(logits, label, *term) for term in p]).mean()
    (expected,) = torch.autograd.grad(formula, logits)
    (came,) = torch.autograd.grad(loss(logits, label), logits)
    torch.testing.assert_close(came, expected)


def test_switches_leave_what_they_are_not_about_as_it_is(heart):
    switches = ["loss_scale", "epsilon_broadcast", "patience", "masked_scores", "soft_volumes"]
    for name in ("leaf", "marginal", "dice_ce"):
        plain = make(name, "I", 1e-7, HEART)(*heart)
        assert torch.equal(make(name, "I", 1e-7, HEART, switches, 18)(*heart), plain)
    for switch in switches[2:]:
        assert isinstance(make("dice", "I", 1e-7, HEART, [switch], 18), DiceLoss)
    one_number = make("dice", "I", 1e-7, HEART, ["epsilon_broadcast"], 18)
    assert torch.equal(one_number(*heart), make("dice", "I", 1e-7, HEART)(*heart))


@pytest.mark.parametrize(("name", "loss"), [("leaf", LeafDiceLoss), ("marginal", MarginalDiceLoss)])
def test_leaf_and_marginal_are_those_of_the_losses(heart, name, loss):
    expected = loss(1e-7, activation="softmax")(*heart)
    assert torch.equal(make(name, "I", 1e-7, HEART)(*heart), expected)


def test_leaf_of_one_class_is_a_sigmoid():
    logits, label = torch.randn(2, 1, 3, 3, 2), torch.ones(2, 3, 3, 2, dtype=torch.uint8)
    expected = LeafDiceLoss(activation="sigmoid")(logits, label)
    assert torch.equal(make("leaf", "I", 1e-7, ["tumor"])(logits, label), expected)


def cross_entropy_by_hand(logits, label):
    """Mean of -log p of the true class, background included, over all voxels of the batch."""
    p = logits.softmax(1)
    return -p.gather(1, label.long()[:, None]).log().mean()


def test_cross_entropy_of_three_classes_is_a_softmax_with_its_background(heart):
    loss = make("cross_entropy", "none", None, HEART)(*heart)
    torch.testing.assert_close(loss, cross_entropy_by_hand(*heart))


def test_dice_and_cross_entropy_count_once_each(heart):
    dice = torch.stack([soft_dice(*heart, b, k, 5.0) for b in (0, 1) for k in (1, 2, 3)])
    loss = make("dice_ce", "I", 5.0, HEART)(*heart)
    torch.testing.assert_close(loss, 1 - dice.mean() + cross_entropy_by_hand(*heart))


def test_cross_entropy_of_one_class_is_a_sigmoid():
    logits = torch.tensor([[[[[0.0, 2.0]]]]])
    label = torch.tensor([[[[0, 1]]]], dtype=torch.uint8)
    p = logits.sigmoid().flatten()
    expected = -((1 - p[0]).log() + p[1].log()) / 2
    alone = make("cross_entropy", "none", None, ["tumor"])(logits, label)
    torch.testing.assert_close(alone, expected)
    both = make("dice_ce", "I", 1e-7, ["tumor"])(logits, label)
    torch.testing.assert_close(both, expected + 1 - 2 * p[1] / (p.sum() + 1))


@given(
    logits=st.lists(st.floats(-4, 4), min_size=16, max_size=16),
    phi=st.sampled_from(["I", "CI", "BI", "BCI"]),
    epsilon=st.sampled_from([1e-7, 3.0, 1e3]),
)
def test_with_cross_entropy_no_phi_and_no_epsilon_takes_the_push_off_an_empty_map(
    logits, phi, epsilon
):
    maps = torch.tensor(logits, dtype=torch.float64).reshape(2, 1, 2, 2, 2).requires_grad_()
    label = torch.zeros(2, 2, 2, 2, dtype=torch.uint8)
    label[0, 0] = 1  # the second case has no true voxel
    pushes = []
    for loss in ("dice", "dice_ce"):
        value = make(loss, phi, epsilon, ["tumor"])(maps, label)
        pushes.append(torch.autograd.grad(value, maps)[0][1])
    torch.testing.assert_close(pushes[1] - pushes[0], maps[1].detach().sigmoid() / maps.numel())
    assert (pushes[1] > 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("marginal", "I", 1e-7, ["tumor"]), r"a single class \(tumor\) has not"),
        (("dice", "X", 1e-7, HEART), "loss dice takes phi I, CI, BI, BCI"),
        (("dice", "I", 0.0, HEART), "epsilon is 0.0, but Dice of two empty maps needs one above 0"),
        (("dice_ce", "none", 1e-7, HEART), "loss dice_ce needs a phi and an epsilon"),
    ],
)
def test_what_makes_no_loss_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        make(*arguments)


def rows():
    """Every loss with every phi and every treatment that it takes."""
    return [
        (name, phi, None if phi == NONE else 3.0, unannotated)
        for name, loss in LOSSES.items()
        for phi in loss.phis or (NONE,)
        for unannotated in loss.unannotated
    ]


@pytest.mark.parametrize(("loss", "phi", "epsilon", "unannotated"), rows())
def test_every_loss_of_the_table_has_a_gradient(heart, loss, phi, epsilon, unannotated):
    logits, label = heart[0].requires_grad_(), heart[1]
    annotated = None
    if unannotated != "as_empty":
        annotated = torch.tensor([[True, True, True], [True, False, True]])
    value = make(loss, phi, epsilon, HEART, unannotated=unannotated)(logits, label, annotated)
    value.backward()
    assert value.ndim == 0
    assert torch.isfinite(value)
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("loss", ["dice", "dice_ce", "leaf", "tversky", "jaccard"])
def test_a_map_that_is_ignored_has_no_gradient_and_one_as_empty_has(loss):
    """Of one class, so that no softmax ties a map to the others."""
    label = torch.zeros(2, 3, 3, 2, dtype=torch.uint8)
    label[0, 0] = 1  # in the second case the class is missing
    annotated = torch.tensor([[True], [False]])
    gradients = {}
    for unannotated in ("as_empty", "ignored"):
        logits = torch.zeros(2, 1, 3, 3, 2, requires_grad=True)
        known = annotated if unannotated == "ignored" else None
        given = make(loss, "I", 3.0, ["tumor"], unannotated=unannotated)
        (gradients[unannotated],) = torch.autograd.grad(given(logits, label, known), logits)
    assert (gradients["ignored"][1] == 0).all()
    assert (gradients["ignored"][0] != 0).any()
    if loss != "leaf":  # which takes an empty map for a missing one as it is
        assert (gradients["as_empty"][1] != 0).any()


@pytest.mark.parametrize("loss", ["dice", "cross_entropy", "leaf", "marginal", "generalized"])
def test_an_ignored_voxel_has_no_gradient(heart, loss):
    logits, label = heart[0].requires_grad_(), heart[1].clone()
    label[0, 1] = 255
    phi, epsilon = {"cross_entropy": (NONE, None), "generalized": ("CI", 3.0)}.get(loss, ("I", 3.0))
    value = make(loss, phi, epsilon, HEART, ignored=True)(logits, label)
    (gradient,) = torch.autograd.grad(value, logits)
    assert (gradient[0, :, 1] == 0).all()
    assert (gradient[0, :, 0] != 0).any()

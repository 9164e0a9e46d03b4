import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from dicegrad import DiceLoss, dice_gradient, dice_loss, soft_dice

PHIS = ("I", "CI", "BI", "BCI")
SETTINGS = [
    (channels, activation, norm, background)
    for channels in (1, 4)
    for activation in (None, "sigmoid", "softmax")
    for norm in ("l1", "l2")
    for background in (True, False)
    if not (channels == 1 and (activation == "softmax" or not background))
]


def activate(logits, activation):
    if activation == "softmax":
        return logits.softmax(1)
    return logits.sigmoid() if activation == "sigmoid" else logits


def loss_and_gradient(loss, y_pred, y):
    y_pred = y_pred.detach().clone().requires_grad_()
    value = loss(y_pred, y)
    value.backward()
    return value.item(), y_pred.grad


@pytest.mark.parametrize("phi", PHIS)
@pytest.mark.parametrize(("channels", "activation", "norm", "background"), SETTINGS)
def test_loss_and_gradient_are_those_of_equations_3_and_4(
    channels, activation, norm, background, phi, make_case, one_hot, eq3_and_4
):
    logits, y = make_case(channels=channels)
    y_pred = logits.sigmoid() if activation is None else logits
    loss = DiceLoss(phi, 0.7, activation=activation, include_background=background, norm=norm)
    value, gradient = loss_and_gradient(loss, y_pred, y)

    first = 0 if background else 1
    leaf = y_pred.clone().requires_grad_()
    p = activate(leaf, activation)
    truth = one_hot(y, channels)
    expected, by_p = eq3_and_4(p[:, first:].detach(), truth[:, first:], phi, 0.7, norm)
    # Eq. 1: the derivative by p is a factor in front of the derivative of p
    p[:, first:].backward(torch.from_numpy(by_p))
    assert value == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(gradient, leaf.grad, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("phi", PHIS)
def test_dice_gradient_is_equation_4(phi, norm, make_case, one_hot, eq3_and_4):
    logits, y = make_case()
    p = logits.softmax(1)
    _, expected = eq3_and_4(p, one_hot(y, 4), phi, 3.0, norm)
    gradient = dice_gradient(p, y, phi, 3.0, norm=norm)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10)


@pytest.mark.parametrize("phi", PHIS)
@pytest.mark.parametrize(("channels", "activation", "norm", "background"), SETTINGS)
def test_gradcheck_and_second_derivative(channels, activation, norm, background, phi, make_case):
    logits, y = make_case(channels=channels, shape=(2, 2, 2))
    y_pred = (logits.sigmoid() if activation is None else logits).requires_grad_()
    loss = DiceLoss(phi, 0.7, activation=activation, include_background=background, norm=norm)
    assert gradcheck(lambda x: loss(x, y), y_pred)
    assert gradgradcheck(lambda x: loss(x, y), y_pred)


def test_soft_truth_and_the_gradient_for_it(make_case, eq3_and_4):
    logits, _ = make_case()
    p = logits.softmax(1)
    truth = make_case(seed=1)[0].softmax(1).requires_grad_()
    for norm in ("l1", "l2"):
        expected, gradient = eq3_and_4(p, truth.detach(), "I", 0.7, norm)
        value, own = loss_and_gradient(DiceLoss("I", 0.7, norm=norm), p, truth.detach())
        assert value == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(own, gradient, rtol=1e-10, atol=1e-15)
    # y and p change places in Eq. 3, so the gradient for y is that for p of the swapped pair
    loss = DiceLoss("I", 0.7)
    (by_truth,) = torch.autograd.grad(loss(p, truth), truth)
    swapped = dice_gradient(truth.detach(), p, "I", 0.7)
    torch.testing.assert_close(by_truth, swapped)


@pytest.mark.parametrize("phi", PHIS)
def test_every_form_of_the_truth_gives_the_same(phi, make_case, one_hot):
    logits, y = make_case(dtype=torch.float32)
    loss = DiceLoss(phi, activation="softmax")
    value, gradient = loss_and_gradient(loss, logits, y)
    forms = [y[:, None], y.to(torch.uint8), y.float(), y[:, None].to(torch.int32)]
    forms += [one_hot(y, 4), one_hot(y, 4).to(torch.uint8), one_hot(y, 4).bool()]
    for form in forms:
        other, other_gradient = loss_and_gradient(loss, logits, form)
        assert other == value
        assert torch.equal(other_gradient, gradient)


def test_one_channel_stands_for_label_1(make_case):
    logits, y = make_case(channels=1)
    loss = DiceLoss(activation="sigmoid")
    value = loss(logits, y)
    assert value == loss(logits, y.bool()) == loss(logits, y[:, None]) == loss(logits, y.double())
    assert value == loss(logits, (y == 1).double()[:, None])


@given(st.integers(0, 10**6), st.integers(1, 5), st.floats(1e-7, 100))
@settings(max_examples=25, deadline=None)
def test_image_and_batch_reduction_agree_for_one_case(make_case, seed, channels, epsilon):
    logits, y = make_case(1, channels, (3, 4), seed)
    p = logits.sigmoid()
    image, batch = (loss_and_gradient(DiceLoss(phi, epsilon), p, y) for phi in ("I", "BI"))
    assert image[0] == batch[0]
    assert torch.equal(image[1], batch[1])


@given(st.integers(0, 10**6), st.sampled_from(PHIS), st.floats(1e-7, 1e4))
@settings(max_examples=25, deadline=None)
def test_gradient_takes_two_values_per_subset(make_case, phi_subsets, one_hot, seed, phi, epsilon):
    logits, y = make_case(3, 3, (4, 5), seed)
    gradient = dice_gradient(logits.softmax(1), y, phi, epsilon)
    truth = one_hot(y, 3)
    for subset in phi_subsets(3, 3, phi):
        b, c = zip(*subset, strict=True)
        for value in (0, 1):
            found = gradient[b, c][truth[b, c] == value]
            assert found.numel() == 0 or (found == found[0]).all()


@given(st.floats(1e-7, 1e4), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_gradient_of_an_empty_map(make_case, epsilon, seed):
    logits, y = make_case(2, 3, (4, 4), seed)
    p = logits.softmax(1)
    y[y == 2] = 0  # class 2 is empty in the whole batch
    volume = p[:, 2].flatten(1).sum(1)
    gradient = dice_gradient(p, y, "I", epsilon)[:, 2]
    expected = epsilon / (volume + epsilon) ** 2 / 6  # |Phi| = 2 elements x 3 classes
    torch.testing.assert_close(gradient, expected.reshape(2, 1, 1).expand(2, 4, 4))


@given(st.integers(1, 40), st.floats(1e-7, 1e3), st.floats(0.01, 0.99))
def test_a_network_that_predicts_the_same_everywhere_is_pushed_up_or_down(filled, epsilon, p):
    y = (torch.arange(100) < filled).reshape(1, 1, 10, 10)
    same = torch.full((1, 1, 10, 10), p, dtype=torch.float64)
    gradient = dice_gradient(same, y, "I", epsilon)
    up = 2 * filled * (filled + epsilon) - 100 * epsilon  # whatever p is
    expected = -up / (100 * p + filled + epsilon) ** 2
    assert gradient.sum().item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.integers(0, 10**6), st.sampled_from(PHIS))
@settings(max_examples=25, deadline=None)
def test_order_of_batch_and_classes_does_not_matter(make_case, one_hot, seed, phi):
    logits, y = make_case(3, 4, (4, 3), seed)
    p, truth = logits.softmax(1), one_hot(y, 4)
    value, gradient = loss_and_gradient(DiceLoss(phi), p, truth)
    b = torch.randperm(3, generator=torch.Generator().manual_seed(seed))
    c = torch.randperm(4, generator=torch.Generator().manual_seed(seed))
    other, moved = loss_and_gradient(DiceLoss(phi), p[b][:, c], truth[b][:, c])
    assert other == pytest.approx(value, rel=1e-12)
    torch.testing.assert_close(moved, gradient[b][:, c])


@pytest.mark.parametrize("phi", ["I", "BI"])
@pytest.mark.parametrize("background", [True, False])
def test_epsilon_per_class_lands_on_its_class(phi, background, make_case, one_hot, eq3_and_4):
    logits, y = make_case(2, 4)
    p, first = logits.softmax(1), 0 if background else 1
    epsilon = [1.0, 20.0, 300.0, 4000.0][first:]
    value = dice_loss(p, y, phi, epsilon, include_background=background)
    expected, gradient = eq3_and_4(p[:, first:], one_hot(y, 4)[:, first:], phi, epsilon)
    assert value.item() == pytest.approx(expected, rel=1e-12)
    own = dice_gradient(p, y, phi, epsilon, include_background=background)
    np.testing.assert_allclose(own[:, first:], gradient, rtol=1e-10)
    assert (own[:, :first] == 0).all()
    alone = [
        dice_loss(p[:, c : c + 1], y == c, phi, epsilon[c - first]).item() for c in range(first, 4)
    ]
    assert value.item() == pytest.approx(np.mean(alone), rel=1e-12)


def test_weight_scales_one_minus_dice_before_the_mean(make_case):
    logits, y = make_case(2, 3)
    weight = [0.0, 1.0, 5.0]
    dice = soft_dice(logits.softmax(1), y)
    expected = ((1 - dice) * torch.tensor(weight)).mean()
    value, gradient = loss_and_gradient(DiceLoss(activation="softmax", weight=weight), logits, y)
    assert value == pytest.approx(expected.item())
    own = dice_gradient(logits, y, activation="softmax", weight=weight)
    torch.testing.assert_close(gradient, own)


@pytest.mark.parametrize(("phi", "shape"), [("I", (3, 4)), ("CI", (3, 1)), ("BI", (1, 4))])
def test_soft_dice_has_one_value_per_subset(phi, shape, make_case):
    logits, y = make_case(3, 4)
    dice = soft_dice(logits.softmax(1), y, phi)
    assert dice.shape == shape
    assert 1 - dice.mean() == dice_loss(logits.softmax(1), y, phi)
    assert gradcheck(
        lambda x: soft_dice(x, y, phi, 1.0, activation="softmax"), logits.requires_grad_()
    )


def test_both_empty_is_a_loss_of_exactly_0():
    empty = torch.zeros(2, 1, 4, 4)
    for phi in PHIS:
        for epsilon in (1e-7, 1.0, 1e4):
            assert DiceLoss(phi, epsilon)(empty, torch.zeros(2, 4, 4, dtype=torch.uint8)) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("phi", PHIS)
@pytest.mark.parametrize("content", ["empty", "full", "one class missing", "everything missing"])
def test_finite_whatever_the_truth(dtype, phi, content):
    logits = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0)).to(dtype) * 30
    y = torch.zeros(2, 6, 6, dtype=torch.uint8)
    if content == "full":
        y[:] = 1
    elif content == "one class missing":
        y[0, :3] = 1
    background = content != "everything missing"
    loss = DiceLoss(phi, activation="softmax", include_background=background)
    value, gradient = loss_and_gradient(loss, logits, y)
    assert 0 <= value <= 1
    assert gradient.dtype == dtype
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype):
    # 2^17 voxels of probability 1/2: added up in half precision the sum would stop at 256 or 2048
    logits = torch.zeros(1, 1, 2**17, dtype=dtype)
    y = torch.zeros(1, 2**17, dtype=torch.uint8)
    y[:, : 2**16] = 1
    loss = DiceLoss(activation="sigmoid")(logits, y)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.5, rel=1e-6)


def test_autocast_changes_nothing_for_float32_logits(make_case):
    logits, y = make_case(dtype=torch.float32)
    loss = DiceLoss(activation="softmax")
    expected = loss_and_gradient(loss, logits, y)
    with torch.autocast("cpu", torch.bfloat16):
        value, gradient = loss_and_gradient(loss, logits, y)
    assert value == expected[0]
    assert torch.equal(gradient, expected[1])


def test_autocast_of_a_layer_before_the_loss(make_case):
    inputs, y = make_case(2, 4, dtype=torch.float32)
    layer = torch.nn.Conv3d(4, 4, 1)
    exact = DiceLoss(activation="softmax")(layer(inputs), y)
    with torch.autocast("cpu", torch.bfloat16):
        logits = layer(inputs)
        loss = DiceLoss(activation="softmax")(logits, y)
    loss.backward()
    assert logits.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=5e-3)
    assert layer.weight.grad.isfinite().all()


def test_the_graph_keeps_neither_probabilities_nor_one_hot_maps():
    # so large that it holds without the native code too
    logits = torch.randn(2, 4, 64, 64, 33, requires_grad=True)
    y = torch.randint(0, 4, (2, 64, 64, 33), dtype=torch.uint8)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        DiceLoss(activation="softmax")(logits, y)
    large = [t for t in kept if t.numel() > 100]
    assert {t.data_ptr() for t in large} == {logits.data_ptr(), y.data_ptr()}


@pytest.mark.slow
@pytest.mark.parametrize("phi", ["I", "BCI"])
def test_torch_compile_in_one_graph(phi, make_case):
    logits, y = make_case(dtype=torch.float32)
    loss = DiceLoss(phi, activation="softmax", include_background=False)
    value, gradient = loss_and_gradient(loss, logits, y)
    other, compiled = loss_and_gradient(torch.compile(loss, fullgraph=True), logits, y)
    assert other == pytest.approx(value, rel=1e-6)
    torch.testing.assert_close(compiled, gradient, rtol=1e-4, atol=1e-8)


def test_works_on_the_tensors_of_monai(make_case):
    meta = pytest.importorskip("monai.data").MetaTensor
    logits, y = make_case(dtype=torch.float32)
    loss = DiceLoss(activation="softmax")
    value, gradient = loss_and_gradient(loss, logits, y)
    other, other_gradient = loss_and_gradient(loss, meta(logits), meta(y[:, None].float()))
    assert other == value
    assert torch.equal(torch.as_tensor(other_gradient), gradient)

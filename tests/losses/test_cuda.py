"""The losses on a GPU: the values of the formula, and the same bits from run to run."""

import pytest
import torch

from dicegrad import CrossEntropyLoss, DiceCELoss, DiceLoss
from dicegrad.losses.__main__ import gpu
from tests.loss_cases import PHIS, assert_same, loss_and_gradient, overlap_losses, random_masks

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

SHAPE = (33, 40, 29)  # several programs of a kernel, and no multiple of a block


def on_gpu(values):
    return [value.cuda() if isinstance(value, torch.Tensor) else value for value in values]


def both(loss, y_pred, *others):
    """Loss and gradient in float64 on the CPU, and on the GPU in the type that came."""
    expected = loss_and_gradient(loss, y_pred.double(), *others)
    value, gradient = loss_and_gradient(loss, *on_gpu((y_pred, *others)))
    assert gradient.is_cuda
    assert gradient.dtype == y_pred.dtype
    return (value, gradient.double().cpu()), expected


@pytest.mark.parametrize("phi", PHIS)
@pytest.mark.parametrize("activation", [None, "sigmoid", "softmax"])
def test_losses_on_a_gpu_are_those_of_the_formula(make_case, phi, activation):
    for channels, labels in ((1, torch.uint8), (4, torch.int64), (14, torch.uint8)):
        if channels == 1 and (activation == "softmax" or "C" in phi):
            continue
        logits, y = make_case(3, channels, SHAPE, dtype=torch.float32)
        y_pred = logits.sigmoid() if activation is None else logits
        annotated, mask = random_masks(3, channels, SHAPE, seed=1)
        losses = [DiceLoss(phi, 0.5, activation=activation, norm="l2")]
        if channels > 1:
            losses += overlap_losses(phi, activation=activation)
        for loss in losses:
            for told in ((), (annotated,), (None, mask), (annotated, mask)):
                assert_same(*both(loss, y_pred, y.to(labels), *told), tolerance=5e-6)


def test_merged_classes_and_an_ignored_label_on_a_gpu(make_case):
    logits, y = make_case(2, 4, SHAPE, dtype=torch.float32)
    annotated, mask = random_masks(2, 4, SHAPE, seed=2)
    for loss in (
        DiceLoss("I", 1e-7, activation="softmax", unannotated="marginal", ignore_index=3),
        DiceCELoss(unannotated="marginal"),
        CrossEntropyLoss(unannotated="ignored"),
    ):
        assert_same(*both(loss, logits, y, annotated, mask), tolerance=5e-6)


@pytest.mark.parametrize(("dtype", "step"), [(torch.float16, 1e-3), (torch.bfloat16, 1e-2)])
def test_half_precision_on_a_gpu_is_the_formula_up_to_its_rounding(make_case, dtype, step):
    logits, y = make_case(2, 4, SHAPE, dtype=dtype)
    own, expected = both(DiceLoss("I", 1e-7, activation="softmax"), logits, y)
    assert own[0] == pytest.approx(expected[0], rel=1e-5)
    largest = expected[1].abs().max().item()
    smallest = 2.0**-24  # float16 knows none between it and 0, and these derivatives are small
    atol = max(step * largest, smallest)
    torch.testing.assert_close(own[1], expected[1], rtol=0, atol=atol)


def test_a_gpu_gives_the_same_bits_each_time(make_case):
    logits, y = on_gpu(make_case(2, 4, SHAPE, dtype=torch.float32))
    loss = DiceLoss("BI", 1e-7, activation="softmax")
    first = loss_and_gradient(loss, logits, y)
    for _ in range(5):
        again = loss_and_gradient(loss, logits, y)
        assert again[0] == first[0]
        assert torch.equal(again[1], first[1])


def test_channels_last_logits_on_a_gpu_need_no_copy(make_case):
    logits, y = on_gpu(make_case(2, 4, SHAPE, dtype=torch.float32))
    loss = DiceLoss("I", 1e-7, activation="softmax")
    last = logits.to(memory_format=torch.channels_last_3d)
    assert_same(loss_and_gradient(loss, last, y), loss_and_gradient(loss, logits, y))


def test_the_gpu_computes_with_the_fused_kernels():
    assert "Triton" in gpu()

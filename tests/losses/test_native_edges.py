"""What the native code does at the edges: NaN, errors, forks, switches."""

import multiprocessing
import os
import subprocess
import sys

import pytest
import torch

from dicegrad import DiceLoss
from dicegrad.errors import InputError
from dicegrad.losses import native
from dicegrad.losses.sums import plain_sums

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native code was not built: there was no C compiler"
)

ACTIVATIONS = (None, "sigmoid", "softmax")


def make_prediction(shape, activation):
    z = 3 * torch.randn(shape)
    return z.sigmoid() if activation is None else z


def make_labels(shape, dtype=torch.int64):
    return torch.randint(0, max(shape[1], 2), (shape[0], *shape[2:])).to(dtype)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_infinite_logits_and_nan_do_as_in_torch(activation, value):
    y_pred = make_prediction((1, 2, 300), activation)
    y_pred[0, 1, 7] = value
    y = torch.zeros(1, 300).long()
    coefficients = torch.ones(2, 1, 2, dtype=torch.float64)
    leaf = y_pred.double().requires_grad_()
    expected = plain_sums(leaf, y, activation, "l1")
    (gradient,) = torch.autograd.grad((expected[:2] * coefficients).sum(), leaf)
    own, _ = native.sums(y_pred, y, activation, "l1")
    torch.testing.assert_close(own, expected.detach(), equal_nan=True, rtol=1e-6, atol=1e-6)
    found = native.gradient(y_pred, y, activation, "l1", coefficients).double()
    torch.testing.assert_close(found, gradient, equal_nan=True, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_in_gives_a_loss_of_nan(activation):
    y_pred = make_prediction((2, 3, 300), activation)
    y_pred[1, 2, 299] = float("nan")
    assert DiceLoss(activation=activation)(y_pred, make_labels((2, 3, 300))).isnan()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_and_written_as_torch_does(dtype):
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    y_pred = bits.view(dtype).reshape(1, 1, -1)  # every number there is
    y = torch.zeros(1, y_pred.numel()).long()
    for factor in (1.0, 1.0 + 2**-9, 0.7, 3e-4, 1e-7, 1e4):  # l2: the gradient is 2 level p
        coefficients = torch.tensor([0.0, factor / 2]).reshape(2, 1, 1)
        own = native.gradient(y_pred, y, None, "l2", coefficients)
        expected = (torch.tensor(factor) * y_pred.float()).to(dtype)
        torch.testing.assert_close(own, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("label", [-1, 3, 255, 2**40])
def test_a_label_without_a_channel_is_an_error(label):
    logits, y = torch.zeros(2, 3, 8, 8), torch.zeros(2, 8, 8, dtype=torch.int64)
    y[1, 3, 3] = label
    with pytest.raises(InputError, match="y holds labels"):
        DiceLoss(activation="softmax")(logits, y)
    _, extremes = native.sums(logits, y, "softmax", "l1")
    assert [value.item() for value in extremes] == [float("inf")]
    assert native.sums(logits, y, "softmax", "l1", ignore_index=label)[1] == []
    with pytest.raises(InputError, match="y holds labels"):
        DiceLoss(activation="sigmoid")(logits[:, :1], y)


def test_what_should_lie_between_0_and_1_and_does_not_is_an_error():
    y = torch.zeros(1, 300).long()
    for wrong in (-0.5, 1.5):
        p = torch.full((1, 2, 300), 0.5)
        p[0, 1, 299] = wrong
        with pytest.raises(InputError, match="y_pred holds values"):
            DiceLoss()(p, y)
        with pytest.raises(InputError, match="y holds values"):
            DiceLoss()(torch.full((1, 2, 300), 0.5), p)


@pytest.mark.parametrize("into", [[[0, 3, 2]], [[0, -1, 2]], [[1, 2, 2]]])
def test_a_merge_into_no_channel_or_into_a_merged_one_is_an_error(into):
    y_pred, y = torch.zeros(1, 3, 8), torch.zeros(1, 8).long()
    with pytest.raises(InputError, match="into is"):
        native.sums(y_pred, y, "softmax", "l1", into=torch.tensor(into))


def _sums_and_gradient(y_pred, y, queue=None):
    """The native code alone: torch's own threads do not live through a fork."""
    sums, _ = native.sums(y_pred, y, "softmax", "l1")
    gradient = native.gradient(y_pred, y, "softmax", "l1", sums[:2])
    found = sums.tolist(), gradient[:, :, ::13, ::11, 5].tolist()
    if queue is not None:
        queue.put(found)
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forked_after_use_computes_the_same():
    shape, before = (2, 4, 64, 64, 16), torch.get_num_threads()
    data = make_prediction(shape, "softmax"), make_labels(shape, torch.uint8)
    torch.set_num_threads(3)
    try:
        expected = _sums_and_gradient(*data)
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        children = [
            context.Process(target=_sums_and_gradient, args=(*data, queue), daemon=True)
            for _ in range(2)
        ]
        for child in children:
            child.start()
        found = [queue.get(timeout=60) for _ in children]
        for child in children:
            child.join(60)
    finally:
        torch.set_num_threads(before)
    assert [child.exitcode for child in children] == [0, 0]
    assert found == [expected, expected]


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_native_code_can_be_switched_off_and_limited():
    code = "from dicegrad.losses import native; print(native.library() is None, native.level())"
    assert run_python(code, DICEGRAD_NATIVE="0").stdout.split() == ["True", "0"]
    assert run_python(code, DICEGRAD_CPU="baseline").stdout.split() == ["False", "0"]
    wrong = run_python(code, DICEGRAD_CPU="sse")
    assert "DICEGRAD_CPU is 'sse'; allowed are baseline, avx2, avx512" in wrong.stderr

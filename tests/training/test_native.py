"""Normalisation, activation and the gradient of kernels in C are those of torch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from dicegrad.losses.native import LEVELS
from dicegrad.training import native
from dicegrad.training.layers import Conv, InstanceNorm, LeakyReLU, NormActivation

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native code was not built: there was no C compiler"
)
LAST = torch.channels_last_3d
THREADS = (1, 2, 5)


def volume(*shape, seed=0, mean=0.0):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.empty(shape).to(memory_format=LAST)
    return maps.copy_(torch.randn(shape, generator=generator) + mean)


@pytest.fixture(params=LEVELS)
def level(request, monkeypatch):
    """Each kind of processor up to this one."""
    number = LEVELS.index(request.param)
    if number > native.native.level():
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setattr(native.native, "level", lambda: number)


def normed(channels, activation):
    torch.manual_seed(0)
    layer = NormActivation(InstanceNorm(channels), activation)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0.3, 2)
    return layer


def in_float64(layer, image, upstream):
    """Maps and gradients of torch's own layers in float64."""
    norm, activation = layer
    image = image.detach().double().requires_grad_()
    parameters = [each.detach().double().requires_grad_() for each in layer.parameters()]
    maps = functional.instance_norm(image, None, None, *parameters[:2], eps=norm.eps)
    if len(parameters) == 3:
        maps = functional.prelu(maps, parameters[2])
    else:
        maps = functional.leaky_relu(maps, activation.negative_slope)
    return [maps, *torch.autograd.grad(maps, [image, *parameters], upstream.double())]


def outcome(layer, image, upstream):
    image = image.detach().requires_grad_()
    maps = layer(image)
    return [maps, *torch.autograd.grad(maps, [image, *layer.parameters()], upstream)]


def assert_close(found, expected, step):
    for one, other in zip(found, expected, strict=True):
        atol = step * max(1.0, other.abs().max().item())
        torch.testing.assert_close(one.double(), other, rtol=0, atol=atol)


@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 8, 16, 33, 100])
def test_normalisation_and_activation_are_those_of_torch(level, channels, learnt):
    layer = normed(channels, nn.PReLU(channels) if learnt else LeakyReLU(0.1))
    image, upstream = (volume(2, channels, 9, 8, 7, seed=seed, mean=5) for seed in (0, 1))
    found = outcome(layer, image, upstream)
    assert type(found[0].grad_fn).__name__ == "_NormActivationBackward"
    assert found[0].is_contiguous(memory_format=LAST)
    assert_close(found, in_float64(layer, image, upstream), 1e-5)


def test_a_constant_channel_and_a_large_mean_lose_no_digits():
    image = volume(1, 2, 32, 32, 16)
    image[:, 0] = 7
    image[:, 1] += 1000
    layer = normed(2, LeakyReLU(0.01))
    maps = layer(image).double()
    bias, weight = (each.detach().double() for each in (layer[0].bias, layer[0].weight))
    torch.testing.assert_close(maps[0, 0], bias[0].expand_as(maps[0, 0]))
    centred = image[0, 1].double() - image[0, 1].double().mean()
    expected = weight[1] * centred / centred.square().mean().add(layer[0].eps).sqrt() + bias[1]
    torch.testing.assert_close(maps[0, 1], functional.leaky_relu(expected, 0.01), rtol=0, atol=1e-4)


def test_a_value_that_is_no_number_shows_in_its_channel_alone():
    image = volume(2, 3, 4, 4, 4)
    image[1, 2, 0, 0, 0] = torch.nan
    finite = normed(3, LeakyReLU(0.01))(image).isfinite().flatten(2).all(2)
    assert finite.tolist() == [[True, True, True], [True, True, False]]


def test_layers_have_the_same_bits_at_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(native, "onednn_is_slow", lambda: True)
    layer = nn.Sequential(normed(8, LeakyReLU(0.01)), Conv(8, 12, (3, 3, 3)))
    image, upstream = volume(2, 8, 24, 24, 24), volume(2, 12, 24, 24, 24, seed=1)
    maps, about = layer[0](image), layer[1].weight
    found = []
    for threads in THREADS:
        torch.set_num_threads(threads)
        found.append(
            [
                layer[0](image),
                native.kernel_gradient(maps, upstream, about),
                *outcome(layer[0], image, maps.detach())[1:],
            ]
        )
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


KERNELS = st.tuples(*[st.sampled_from([1, 3, 5])] * 3)
SIZES = st.tuples(*[st.integers(1, 12)] * 3)


@given(SIZES, KERNELS, st.integers(1, 3), st.integers(1, 40), st.integers(1, 5), st.booleans())
@settings(max_examples=100, deadline=None)
def test_the_gradient_of_a_kernel_is_that_of_torch(size, kernel, batch, inputs, fours, many):
    image, upstream = volume(batch, inputs, *size), volume(batch, 4 * fours, *size, seed=1)
    weight = volume(4 * fours, inputs, *kernel)
    torch.set_num_threads(3 if many else 1)
    found = native.kernel_gradient(image, upstream, weight)
    assert found.is_contiguous(memory_format=LAST)
    twin = weight.double().requires_grad_()
    padding = [length // 2 for length in kernel]
    maps = functional.conv3d(image.double(), twin, padding=padding)
    expected = torch.autograd.grad(maps, twin, upstream.double())
    assert_close([found], expected, 1e-5)


@pytest.mark.parametrize("inputs", [1, 4, 12, 16, 40])
def test_every_kind_of_processor_derives_the_kernel(level, inputs):
    image, upstream = volume(2, inputs, 7, 30, 9), volume(2, 20, 7, 30, 9, seed=1)
    twin = volume(20, inputs, 3, 3, 3).double().requires_grad_()
    maps = functional.conv3d(image.double(), twin, padding=1)
    found = native.kernel_gradient(image, upstream, twin)
    assert_close([found], torch.autograd.grad(maps, twin, upstream.double()), 1e-5)


def test_a_convolution_derives_its_kernel_natively_where_onednn_is_slow(monkeypatch):
    layer, image = Conv(8, 8, (3, 3, 1)), volume(2, 8, 6, 5, 4)
    upstream = volume(2, 8, 6, 5, 4, seed=1).contiguous()
    slow = {}
    for answer in (True, False):
        monkeypatch.setattr(native, "onednn_is_slow", lambda answer=answer: answer)
        slow[answer] = outcome(layer, image, upstream)
    assert type(slow[True][0].grad_fn).__name__ == "_ConvolutionBackward"
    assert type(slow[False][0].grad_fn).__name__ == "ConvolutionBackward0"
    torch.testing.assert_close(slow[True], slow[False], rtol=1e-5, atol=1e-4)


def test_wide_kernels_and_those_of_even_length_stay_with_onednn(monkeypatch):
    monkeypatch.setattr(native, "onednn_is_slow", lambda: True)
    taken = {
        (8, 8, 3, 3, 3): True,
        (64, 64, 3, 3, 3): True,
        (128, 128, 3, 3, 3): False,
        (8, 8, 2, 3, 3): False,
        (6, 8, 3, 3, 3): False,
    }
    assert {shape: native.takes_kernel(torch.empty(shape)) for shape in taken} == taken


def test_under_autocast_a_convolution_is_torchs_and_its_gradient_is_that_of_torch(monkeypatch):
    monkeypatch.setattr(native, "onednn_is_slow", lambda: True)
    layer, image = Conv(8, 8, (3, 3, 1)), volume(2, 8, 6, 5, 4)
    upstream = volume(2, 8, 6, 5, 4, seed=1).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = outcome(layer, image, upstream)
    assert type(found[0].grad_fn).__name__ == "ConvolutionBackward0"
    expected = outcome(layer, image, upstream.float())
    torch.testing.assert_close([each.float() for each in found], expected, rtol=0.05, atol=0.1)


@pytest.mark.parametrize("kind", ["float64", "bfloat16", "contiguous"])
def test_what_the_native_code_does_not_read_is_left_to_torch(kind):
    image, weight = volume(2, 4, 6, 5, 4), torch.ones(4)
    assert native.takes(image, weight)
    image = image.contiguous() if kind == "contiguous" else image.to(getattr(torch, kind))
    assert not native.takes(image, weight)
    layer = NormActivation(InstanceNorm(4), LeakyReLU(0.01)).to(image.dtype)
    assert layer(image).isfinite().all()

"""The layers compute what torch's own compute, in every memory format, on a CPU."""

import pytest
import torch
from torch import nn

from dicegrad.training.layers import Conv, InstanceNorm

FORMATS = [torch.contiguous_format, torch.channels_last_3d]


def volume(*shape, memory_format=torch.contiguous_format, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(shape, generator=generator) + 3
    return noise.contiguous(memory_format=memory_format).requires_grad_()


def outcome(layer, image):
    """What a layer makes of an image, and the gradients of the image and its own parameters."""
    out = layer(image)
    upstream = volume(*out.shape, seed=1).detach()
    return [out, *torch.autograd.grad(out, [image, *layer.parameters()], upstream)]


def twin(layer, own):
    """The same layer as torch has it."""
    other = own.__new__(own)
    other.__dict__ = layer.__dict__
    return other


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("batch", [1, 3])
def test_instance_normalisation_is_that_of_torch(memory_format, batch):
    layer = InstanceNorm(5)
    nn.init.uniform_(layer.weight, 0.5, 2)
    nn.init.uniform_(layer.bias, -1, 1)
    image = volume(batch, 5, 6, 7, 4, memory_format=memory_format)
    ours, theirs = outcome(layer, image), outcome(twin(layer, nn.InstanceNorm3d), image)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert ours[0].is_contiguous(memory_format=memory_format)


def test_the_gradient_of_instance_normalisation_is_that_of_its_values():
    layer = InstanceNorm(2).double()
    image = volume(2, 2, 3, 4, 2).detach().double().requires_grad_()
    assert torch.autograd.gradcheck(layer, (image,))


def test_instance_normalisation_of_half_precision_sums_in_float32():
    image = volume(1, 2, 16, 16, 8).detach()
    out = InstanceNorm(2)(image.bfloat16())
    assert out.dtype == torch.float32
    torch.testing.assert_close(out.mean((2, 3, 4)), torch.zeros(1, 2), atol=1e-4, rtol=0)


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("kernel", [(3, 3, 3), (3, 3, 1), (1, 1, 1), (2, 3, 4)])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_convolution_is_that_of_torch(memory_format, kernel, batch):
    torch.manual_seed(0)
    layer = Conv(3, 4, kernel)
    image = volume(batch, 3, 6, 5, 4, memory_format=memory_format)
    ours, theirs = outcome(layer, image), outcome(twin(layer, nn.Conv3d), image)
    assert ours[0].shape == (batch, 4, 6, 5, 4)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch is without oneDNN")
def test_a_single_small_case_is_convolved_by_onednn():
    layer, image = Conv(4, 4, (3, 3, 3)), volume(1, 4, 8, 8, 8).detach()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        layer(image)
    called = {event.key for event in profile.key_averages()}
    assert "aten::mkldnn_convolution" in called
    assert "aten::slow_conv3d_forward" not in called

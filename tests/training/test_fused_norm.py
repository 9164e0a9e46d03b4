"""Normalisation and activation as one, run on the CPU by Triton's interpreter, and on a GPU."""

import copy

import pytest
import torch

from dicegrad.training.network import NetworkSettings, UNet
from dicegrad.training.numerics import autocast
from tests.triton_script import said

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

INTERPRETED = """
    import copy, torch
    from torch import nn
    from dicegrad.training.fused_norm import Norm, normalise

    for channels, size, over_batch, learnt, dtype in (
        (5, (6, 7, 4), False, False, torch.float32),
        (16, (9, 7, 40), True, True, torch.float32),  # several programs over the voxels
        (70, (5, 9, 4), True, False, torch.float32),  # and over the channels
        (48, (5, 9, 4), False, True, torch.bfloat16),
    ):
        torch.manual_seed(0)
        image = (torch.randn(3, channels, *size) * 2 + 5).to(dtype)
        image = image.contiguous(memory_format=torch.channels_last_3d).requires_grad_()
        kind = nn.BatchNorm3d if over_batch else nn.InstanceNorm3d
        norm = kind(channels, eps=1e-3, momentum=0.01, affine=True)
        act = nn.PReLU(channels) if learnt else nn.LeakyReLU(0.01)
        layers = nn.Sequential(norm, act)
        for parameter in layers.parameters():
            nn.init.uniform_(parameter, -1, 2)
        twin, wide = copy.deepcopy(layers).double(), image.detach().double().requires_grad_()
        running = (norm.running_mean, norm.running_var) if over_batch else None
        slope = act.weight if learnt else None
        settings = Norm(norm.weight, norm.bias, slope, 0.01, 1e-3, over_batch, running, 0.01)
        out, expected = normalise(image, settings), twin(wide)
        step = 3e-2 if dtype == torch.bfloat16 else 2e-5
        assert out.dtype == dtype and out.is_contiguous(memory_format=torch.channels_last_3d)
        torch.testing.assert_close(out.double(), expected, rtol=step, atol=step)
        upstream = torch.randn(out.shape).to(dtype)
        own = torch.autograd.grad(out, [image, *layers.parameters()], upstream)
        others = torch.autograd.grad(expected, [wide, *twin.parameters()], upstream.double())
        for one, other in zip(own, others, strict=True):
            largest = other.abs().max().item()
            torch.testing.assert_close(one.double(), other, rtol=step, atol=step * largest)
        if over_batch:
            for name in ("running_mean", "running_var"):
                one, other = getattr(norm, name), getattr(twin[0], name)
                torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-6)
    print("same")
"""

COMPILED = """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from dicegrad.training import norm_kernels as kernels

    maps, numbers = ("x", "y", "upstream", "gradient"), ("eps", "momentum", "leak")
    counts = ("channels", "voxels", "blocks")

    def compile(kernel, **constants):
        def kind(name):
            if name in constants:
                return "constexpr"
            if name in maps:
                return "*bf16"
            return "fp32" if name in numbers else "i32" if name in counts else "*fp32"

        names = kernel.arg_names
        values = {(names.index(name),): value for name, value in constants.items()}
        source = ASTSource(kernel, {name: kind(name) for name in names}, values)
        target = GPUTarget("cuda", 90, 32)
        assert triton.compile(source, target=target, options={"num_warps": 4}).asm["cubin"]

    size = dict(rows=64, columns=64)
    compile(kernels.moments_kernel, steps=8, **size)
    for word in (True, False):
        compile(kernels.statistics_kernel, running=word, turns=4, **size)
        compile(kernels.forward_kernel, learnt=word, **size)
        compile(kernels.pushes_kernel, learnt=word, steps=8, **size)
        compile(kernels.parameters_kernel, learnt=word, groups=2, turns=4, **size)
        compile(kernels.backward_kernel, learnt=word, **size)
    print("compiled")
"""


def test_normalisation_and_activation_as_one_are_those_of_torch(tmp_path):
    assert said(INTERPRETED, tmp_path, interpreted=True) == "same"


@pytest.mark.slow
def test_the_kernels_of_normalisation_compile_for_a_gpu(tmp_path):
    assert said(COMPILED, tmp_path, interpreted=False) == "compiled"


def outcome(network, image, precision):
    """Logits, and the gradients of the parameters, of a network in training."""
    exact = torch.backends.cudnn.flags(allow_tf32=False, deterministic=True)
    with exact, autocast(precision, image.device):
        logits = network(image)
        logits.float().square().mean().backward()
    return [logits, *(parameter.grad for parameter in network.parameters())]


@needs_cuda
@pytest.mark.parametrize(("norm", "activation"), [("instance", "leaky_relu"), ("batch", "prelu")])
def test_a_network_on_a_gpu_is_that_of_torchs_layers(norm, activation):
    settings = NetworkSettings(
        1, 4, ((8, 8), (16, 16)), ((8, 8),), ((3, 3, 3), (3, 3, 1)), ((2, 2, 1),), norm, activation
    )
    torch.manual_seed(0)
    image = torch.randn(2, 1, 32, 32, 12).cuda()
    plain = UNet(settings).cuda()
    plain.memory_format = torch.contiguous_format  # which the kernels do not take
    fused = copy.deepcopy(plain).to(memory_format=torch.channels_last_3d)
    fused.memory_format = torch.channels_last_3d
    pairs = zip(outcome(fused, image, "float32"), outcome(plain, image, "float32"), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * other.abs().max().item())
    for one, other in zip(fused.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)

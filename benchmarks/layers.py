"""Layers of the network in C beside torch's own, side by side in one run, on a CPU.

    python benchmarks/layers.py
    python benchmarks/layers.py --threads 1
    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 DICEGRAD_CPU=avx2 python benchmarks/layers.py

Two batches of what a convolution sees: the gradient of its kernel by oneDNN and by
`dicegrad.training.native`; and instance normalisation with LeakyReLU, forward and backward, of
torch's layers, of dicegrad's without the native code, and with it. Medians, and their ratios.
"""

import argparse
from functools import partial

import numpy as np
import torch
from losses import timed
from torch import Tensor, nn

from dicegrad.losses.__main__ import cpu
from dicegrad.training import native
from dicegrad.training.layers import InstanceNorm, LeakyReLU, NormActivation

# Features in and out, image and kernel: of the demo, and of networks as people train them.
CONVOLUTIONS = (
    (24, 8, (32, 32, 8), (3, 3, 1)),
    (48, 16, (16, 16, 8), (3, 3, 1)),
    (24, 8, (24, 24, 12), (3, 3, 3)),
    (48, 16, (12, 12, 6), (3, 3, 3)),
    (16, 16, (32, 56, 40), (3, 3, 3)),
    (48, 16, (32, 56, 40), (3, 3, 3)),
    (32, 32, (64, 64, 16), (3, 3, 3)),
    (64, 64, (16, 28, 20), (3, 3, 3)),
)
MAPS = ((8, (32, 32, 8)), (16, (16, 16, 8)), (16, (32, 56, 40)), (32, (64, 64, 16)))
Sizes = tuple[int, ...]
LAST = torch.channels_last_3d


def medians(actions: list, repeats: int) -> np.ndarray:
    """Milliseconds by the clock of each action, which are run in turn."""
    times = [[timed(action)[0] for action in actions] for _ in range(repeats + 1)]
    return np.median(times[1:], axis=0)


def maps(features: int, size: Sizes) -> Tensor:
    return torch.randn(2, features, *size).to(memory_format=LAST)


def of_kernel(inputs: int, outputs: int, size: Sizes, kernel: Sizes, repeats: int) -> None:
    """The gradient of one kernel."""
    image, upstream = maps(inputs, size), maps(outputs, size)
    weight = torch.randn(outputs, inputs, *kernel).to(memory_format=LAST)
    one, none, around = [1, 1, 1], [0, 0, 0], [length // 2 for length in kernel]
    mask = [False, True, False]
    actions = [
        lambda: torch.ops.aten.convolution_backward(
            upstream, image, weight, None, one, around, one, False, none, 1, mask
        ),
        lambda: native.kernel_gradient(image, upstream, weight),
    ]
    theirs, ours = medians(actions, repeats)
    used = "" if native.takes_kernel(weight) else "   not used here"
    print(
        f"  {inputs} to {outputs}, {size}, {kernel}: {theirs:.2f} ms, {ours:.2f} ms, "
        f"{ours / theirs:.2f}{used}"
    )


def of_norm(features: int, size: Sizes, repeats: int) -> None:
    """Normalisation and activation of maps."""
    image, upstream = maps(features, size).requires_grad_(), maps(features, size)
    norm, activation = InstanceNorm(features), LeakyReLU(0.01)
    layers = (
        nn.Sequential(nn.InstanceNorm3d(features, affine=True), nn.LeakyReLU(0.01)),
        nn.Sequential(norm, activation),
        NormActivation(norm, activation),
    )

    def run(layer: nn.Module) -> None:
        torch.autograd.grad(layer(image), [image, *layer.parameters()], upstream)

    found = medians([partial(run, layer) for layer in layers], repeats)
    each = ", ".join(f"{ms:.2f} ms ({ms / found[0]:.2f})" for ms in found)
    print(f"  {features}, {size}: {each}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    if native.library() is None:
        raise SystemExit("error: the native code is not there: install a C compiler, then dicegrad")
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, threads {options.threads}, {cpu()}")
    print("gradient of a kernel: oneDNN, native, ratio")
    for convolution in CONVOLUTIONS:
        of_kernel(*convolution, options.repeats)
    print("normalisation and activation, and back: torch, dicegrad without native code, native")
    for shape in MAPS:
        of_norm(*shape, options.repeats)


if __name__ == "__main__":
    main()

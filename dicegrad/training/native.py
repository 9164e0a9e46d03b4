"""Two layers of a network as native code for CPUs, where it was built with the package.

oneDNN, by which torch convolves, takes the gradient of a kernel slowly where there is no AVX-512,
and torch passes over the maps a dozen times for normalisation and activation, and back. Both run
here without the interpreter lock, in as many threads as torch may use, always with the same bits.
``DICEGRAD_NATIVE`` and ``DICEGRAD_CPU`` are heeded as in `dicegrad.losses.native`.
"""

import ctypes
import struct
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from dicegrad.losses import native

_INTERFACE = 1  # must be that of native.c
_LAST = torch.channels_last_3d
_KERNEL_TASK, _NORM_TASK = struct.Struct("=14q"), struct.Struct("=5qd9q")
# A thread is worth its start, some ten microseconds, if it takes over that many values. Of a
# convolution's values each is used many times.
_VALUES_PER_THREAD = 2**18
_CONVOLVED_PER_THREAD = 2**14
# Sums of a kernel's gradient that stay in the second cache; beyond, oneDNN is as fast.
_MOST_SUMS = 2**17


class Moments(NamedTuple):
    """What normalisation found.

    Attributes:
        mean: Of each case and channel, (B, C).
        inverse: One by the standard deviation, (B, C).
    """

    mean: Tensor
    inverse: Tensor


@cache
def library() -> ctypes.CDLL | None:
    """The native code, or None where it was not built or is switched off."""
    return native.load(__file__, _INTERFACE, ("dicegrad_kernel_gradient", "dicegrad_norm"))


def takes(image: Tensor, weight: Tensor) -> bool:
    """Whether the native code is there and reads this: float32, channels last, on a CPU."""
    return (
        image.device.type == "cpu"
        and image.dtype == weight.dtype == torch.float32
        and image.is_contiguous(memory_format=_LAST)
        and image.numel() > 0
        and library() is not None
    )


@cache
def onednn_is_slow() -> bool:
    """Whether the processor has AVX2 and no more, as torch sees it."""
    return torch.backends.cpu.get_cpu_capability() == "AVX2"


def takes_kernel(weight: Tensor) -> bool:
    """Whether the gradient of a kernel (O, I, KX, KY, KZ) is faster by `kernel_gradient`."""
    odd = all(length % 2 for length in weight.shape[2:])
    return odd and len(weight) % 4 == 0 and weight.numel() <= _MOST_SUMS and onednn_is_slow()


def kernel_gradient(image: Tensor, upstream: Tensor, weight: Tensor) -> Tensor:
    """The gradient of a kernel that was applied at every voxel, with zeros around the image.

    Args:
        image: (B, I, X, Y, Z), float32, channels last.
        upstream: The gradient of the maps, (B, O, X, Y, Z), as the image.
        weight: The kernel, (O, I, KX, KY, KZ); `takes_kernel` holds for it.

    Returns:
        Shape of the kernel, channels last.

    Raises:
        MemoryError: There is no memory for the sums.
    """
    gradient = torch.empty_like(weight, dtype=image.dtype, memory_format=_LAST)
    batch, inputs, *size = image.shape
    outputs, _, *kernel = weight.shape
    task = _KERNEL_TASK.pack(
        *_level_and_threads(image, _CONVOLVED_PER_THREAD),
        batch,
        *size,
        inputs,
        outputs,
        *kernel,
        image.data_ptr(),
        upstream.data_ptr(),
        gradient.data_ptr(),
    )
    _run("dicegrad_kernel_gradient", task)
    return gradient


def normalise(
    image: Tensor, weight: Tensor, bias: Tensor, slope: Tensor, eps: float
) -> tuple[Tensor, Moments]:
    """Instance normalisation, then the value itself where it is positive, else `slope` times it.

    Args:
        image: (B, C, X, Y, Z), float32, channels last.
        weight: The standard deviation of each channel afterwards, (C,) float32.
        bias: Its mean afterwards, (C,) float32.
        slope: (C,) float32.
        eps: Added to the variance.

    Returns:
        The maps, in shape and format of the image, and what `derive` needs besides.

    Raises:
        MemoryError: There is no memory for the sums.
    """
    out = torch.empty_like(image, memory_format=_LAST)
    moments = Moments(*image.new_empty(2, *image.shape[:2]))
    _run_norm(image, weight, bias, slope, moments, eps, None, out, None)
    return out, moments


def derive(
    image: Tensor, upstream: Tensor, weight: Tensor, bias: Tensor, slope: Tensor, moments: Moments
) -> tuple[Tensor, Tensor]:
    """The gradients of `normalise`.

    Args:
        image: As for `normalise`.
        upstream: The gradient of the maps, as the image.
        weight: As for `normalise`.
        bias: As for `normalise`.
        slope: As for `normalise`.
        moments: Of `normalise`.

    Returns:
        The gradient of the image, and those of weight, bias and slope in rows, (3, C) float32.

    Raises:
        MemoryError: There is no memory for the sums.
    """
    out = torch.empty_like(image, memory_format=_LAST)
    pushes = torch.empty(3, len(weight), dtype=torch.float64)
    _run_norm(image, weight, bias, slope, moments, 0.0, upstream, out, pushes)
    return out, pushes.to(torch.float32)


def _run_norm(
    image: Tensor,
    weight: Tensor,
    bias: Tensor,
    slope: Tensor,
    moments: Moments,
    eps: float,
    upstream: Tensor | None,
    out: Tensor,
    pushes: Tensor | None,
) -> None:
    tensors = (image, weight, bias, slope, *moments, upstream, out, pushes)
    batch, channels, *size = image.shape
    task = _NORM_TASK.pack(
        *_level_and_threads(image, _VALUES_PER_THREAD),
        batch,
        channels,
        size[0] * size[1] * size[2],
        eps,
        *(0 if each is None else each.data_ptr() for each in tensors),
    )
    _run("dicegrad_norm", task)


def _level_and_threads(image: Tensor, per_thread: int) -> tuple[int, int]:
    worth = image.numel() // per_thread
    return native.level(), max(1, min(torch.get_num_threads(), worth))


def _run(name: str, task: bytes) -> None:
    if getattr(library(), name)(task):
        raise MemoryError("there is no memory for the sums of a layer")

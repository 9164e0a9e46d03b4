"""Layers of the network that are faster than torch's own on a CPU, and some on a GPU.

They give the same numbers and gradients up to rounding; elsewhere they are torch's own.
"""

from contextlib import nullcontext
from functools import cache
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from dicegrad.training import native

_SPACE = (2, 3, 4)
# torch convolves a float32 image by oneDNN if it has several cases, or more values than this in a
# plane of the last axis; any other by a convolution that is not vectorised.
_LARGE = 20480
_ONEDNN = torch.backends.mkldnn.is_available()


class Conv(nn.Conv3d):
    """A convolution that keeps the size, and is vectorised for a single small case too."""

    def __init__(self, features: int, width: int, kernel: tuple[int, int, int]) -> None:
        odd = all(length % 2 for length in kernel)  # padded alike on both sides
        x, y, z = kernel
        padding: str | tuple[int, int, int] = (x // 2, y // 2, z // 2) if odd else "same"
        super().__init__(features, width, kernel, padding=padding)

    def forward(self, image: Tensor) -> Tensor:
        """Maps (B, F, X, Y, Z) of an image (B, C, X, Y, Z)."""
        if _compiles() or not image.is_cpu:
            return super().forward(image)
        if max(self.kernel_size) == 1:  # a product of matrices, where channels come last
            maps = functional.linear(image.movedim(1, -1), self.weight.flatten(1), self.bias)
            return maps.movedim(-1, 1)
        if self._is_slow(image):
            return super().forward(image.to_mkldnn()).to_dense()
        if self._derives_natively(image):
            return _Convolution.apply(image, self.weight, self.bias, self.padding)
        return super().forward(image)

    def _derives_natively(self, image: Tensor) -> bool:
        # Autocast would convolve float32 in half precision, which the native code does not read.
        plain = native.takes(image, self.weight) and not torch.is_autocast_enabled("cpu")
        return plain and native.takes_kernel(self.weight)

    def _is_slow(self, image: Tensor) -> bool:
        plain = image.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        small = len(image) == 1 and image[..., 0].numel() <= _LARGE
        return plain and small and self.padding != "same" and _ONEDNN


class InstanceNorm(nn.InstanceNorm3d):
    """Instance normalisation with Keras' epsilon."""

    def __init__(self, features: int) -> None:
        super().__init__(features, eps=1e-3, affine=True)

    def forward(self, image: Tensor) -> Tensor:
        """Each channel of each case with the mean `bias` and the standard deviation `weight`."""
        if image.is_cuda:
            return super().forward(image)
        image = image.to(torch.promote_types(image.dtype, torch.float32))
        return _InstanceNorm.apply(image, self.weight, self.bias, self.eps)


class BatchNorm(nn.BatchNorm3d):
    """Batch normalisation with Keras' epsilon and momentum."""

    def __init__(self, features: int) -> None:
        super().__init__(features, eps=1e-3, momentum=0.01)


class LeakyReLU(nn.LeakyReLU):
    """In place on a CPU; on a GPU instance normalisation returns a view, which autograd copies."""

    def forward(self, image: Tensor) -> Tensor:
        """The image where it is positive, and the slope times the image elsewhere."""
        return functional.leaky_relu(image, self.negative_slope, inplace=image.is_cpu)


class NormActivation(nn.Sequential):
    """Normalisation and activation, on CUDA as one where Triton is there, and what follows."""

    def forward(self, image: Tensor) -> Tensor:
        """Maps (B, F, X, Y, Z) of an image (B, C, X, Y, Z)."""
        norm, activation, *after = self
        if self._fuses(image):
            image = self._fused(image)
        elif (
            isinstance(norm, InstanceNorm) and not _compiles() and native.takes(image, norm.weight)
        ):
            image = _native_norm(image, norm, cast(Any, activation))
        else:
            image = activation(norm(image))
        for layer in after:
            image = layer(image)
        return image

    def _fuses(self, image: Tensor) -> bool:
        if not image.is_cuda or _compiles() or fused_norm() is None:
            return False
        last = image.is_contiguous(memory_format=torch.channels_last_3d)
        return last and (self.training or isinstance(self[0], InstanceNorm))

    def _fused(self, image: Tensor) -> Tensor:
        norm, activation = cast(Any, self[0]), cast(Any, self[1])
        over_batch = isinstance(norm, BatchNorm)
        if over_batch:
            norm.num_batches_tracked.add_(1)
        learnt = isinstance(activation, nn.PReLU)
        kernels = cast(ModuleType, fused_norm())
        about = kernels.Norm(
            norm.weight,
            norm.bias,
            activation.weight if learnt else None,
            0.0 if learnt else activation.negative_slope,
            norm.eps,
            over_batch,
            (norm.running_mean, norm.running_var) if over_batch else None,
            norm.momentum,
        )
        return kernels.normalise(image, about)


@cache
def fused_norm() -> ModuleType | None:
    """The kernels of `NormActivation`, or None where Triton is absent."""
    try:
        from dicegrad.training import fused_norm as found
    except ImportError:
        return None
    return found


def upsample(maps: Tensor, scale: tuple[int, int, int]) -> Tensor:
    """Every voxel repeated along each axis, in the type and memory format it has."""
    if maps.is_cuda and maps.is_contiguous(memory_format=torch.channels_last_3d):
        # torch's own upsampling would copy the maps to another order and back.
        (batch, channels, *size), (x, y, z) = maps.shape, scale
        repeated = maps.permute(0, 2, 3, 4, 1)[:, :, None, :, None, :, None]
        repeated = repeated.expand(batch, size[0], x, size[1], y, size[2], z, channels)
        whole = [n * times for n, times in zip(size, scale, strict=True)]
        return repeated.reshape(batch, *whole, channels).permute(0, 4, 1, 2, 3)
    half = maps.dtype in (torch.bfloat16, torch.float16)
    # Autocast would make float32 copies of maps in half precision.
    with torch.autocast(maps.device.type, enabled=False) if half else nullcontext():
        return functional.interpolate(maps, scale_factor=[float(n) for n in scale], mode="nearest")


def _native_norm(image: Tensor, norm: InstanceNorm, activation: Any) -> Tensor:  # noqa: ANN401
    if isinstance(activation, nn.PReLU):
        slope: Tensor = activation.weight
    else:
        slope = norm.weight.new_full(norm.weight.shape, activation.negative_slope)
    return _NormActivation.apply(image, norm.weight, norm.bias, slope, norm.eps)


class _Convolution(torch.autograd.Function):
    """A convolution that keeps the size, of which the native code derives the kernel."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        image: Tensor,
        weight: Tensor,
        bias: Tensor,
        padding: tuple[int, int, int],
    ) -> Tensor:
        ctx.save_for_backward(image, weight)
        ctx.padding = padding
        return functional.conv3d(image, weight, bias, padding=padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        image, weight = ctx.saved_tensors
        upstream = upstream.contiguous(memory_format=torch.channels_last_3d)
        one, none = [1, 1, 1], [0, 0, 0]
        of_image = None
        if ctx.needs_input_grad[0]:
            of_image = torch.ops.aten.convolution_backward(
                upstream, image, weight, None, one, ctx.padding, one, False, none, 1, (1, 0, 0)
            )[0]
        of_weight = native.kernel_gradient(image, upstream, weight)
        return of_image, of_weight, upstream.sum((0, *_SPACE)), None


class _NormActivation(torch.autograd.Function):
    """Instance normalisation and activation by the native code."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        image: Tensor,
        weight: Tensor,
        bias: Tensor,
        slope: Tensor,
        eps: float,
    ) -> Tensor:
        out, moments = native.normalise(image, weight, bias, slope, eps)
        ctx.save_for_backward(image, weight, bias, slope, *moments)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        image, weight, bias, slope, *moments = ctx.saved_tensors
        upstream = upstream.contiguous(memory_format=torch.channels_last_3d)
        gradient, pushes = native.derive(
            image, upstream, weight, bias, slope, native.Moments(*moments)
        )
        return gradient, *pushes, None


class _InstanceNorm(torch.autograd.Function):
    """Sums and products only, which are vectorised in every memory format."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        image: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
    ) -> Tensor:
        centred = image - image.mean(_SPACE, keepdim=True)
        inverse = (centred.square().mean(_SPACE, keepdim=True) + eps).rsqrt()
        ctx.save_for_backward(centred, inverse, weight)
        return torch.addcmul(_wide(bias), centred, inverse * _wide(weight))

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        centred, inverse, weight = ctx.saved_tensors
        voxels = centred[0, 0].numel()
        total = upstream.sum(_SPACE, keepdim=True)
        aligned = (upstream * centred).sum(_SPACE, keepdim=True)
        scale = inverse * _wide(weight)
        # The parts that change mean or variance of a channel are removed from the gradient.
        gradient = torch.addcmul(-scale * total / voxels, upstream, scale)
        gradient.addcmul_(centred, -scale * inverse.square() * aligned / voxels)
        return gradient, (aligned * inverse).sum((0, *_SPACE)), total.sum((0, *_SPACE)), None


def _compiles() -> bool:
    return torch.compiler.is_compiling()


def _wide(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)

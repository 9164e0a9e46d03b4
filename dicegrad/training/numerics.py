"""How a device computes: precision and reproducibility."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from dicegrad.errors import InputError
from dicegrad.training.layers import fused_norm
from dicegrad.training.settings import TrainingSettings


def settle(settings: TrainingSettings, device: torch.device) -> TrainingSettings:
    """The settings with the precision `auto` replaced by that of the device.

    That is bfloat16 on a GPU that computes in it; one older than NVIDIA's Ampere would emulate it.
    """
    if settings.precision != "auto":
        return settings
    return replace(settings, precision="bfloat16" if _has_bfloat16(device) else "float32")


def _has_bfloat16(device: torch.device) -> bool:
    if device.type != "cuda":
        return False
    with torch.cuda.device(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)


def memory_format(norm: str, device: torch.device, compiled: bool = False) -> torch.memory_format:
    """The memory format in which a network with this normalisation is copied least.

    oneDNN and cuDNN convolve channels last without reordering anything. Contiguous values are
    better in two cases: torch.compile orders memory by itself, and on CUDA torch's instance
    normalisation, which serves where there is no Triton, takes and returns contiguous values, so
    that each one would cost two copies.
    """
    torchs = device.type == "cuda" and norm == "instance" and fused_norm() is None
    if compiled or torchs:
        return torch.contiguous_format
    return torch.channels_last_3d


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context that a network runs in; the loss stays outside and takes float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def numerics(
    settings: TrainingSettings,
    device: torch.device,
    if_full: str = "lower batch_size, or let fewer training runs share the GPU",
) -> Iterator[None]:
    """Set torch's switches as the settings want them, and make the device the current one.

    All is restored at the end. Triton starts its kernels on the current device.

    Deterministic means that cuDNN uses the same algorithm each time, one whose results repeat to
    the bit. The rest of a step is deterministic anyway: pooling windows do not overlap, so that
    their gradient sums nothing; upsampling to the nearest voxel gathers its gradient; the loss
    adds its sums in a fixed order; interpolation in the augmentation has no gradient. Otherwise
    cuDNN times its algorithms on the first batch and uses the fastest. On a CPU everything repeats.

    TF32 is for convolutions alone: matrix products place the voxels of an augmentation and keep
    float32, as is torch's default.

    Raises:
        InputError: The memory of a GPU is full.
    """
    cudnn = torch.backends.cudnn.flags(
        enabled=True,
        benchmark=not settings.deterministic,
        deterministic=settings.deterministic,
        allow_tf32=settings.precision != "float32",
    )
    try:
        with cudnn, torch.cuda.device(device if device.type == "cuda" else -1):
            yield
    except torch.cuda.OutOfMemoryError as error:
        first = str(error).partition(". ")[0]
        raise InputError(f"the memory of {device} is full ({first}); {if_full}") from error

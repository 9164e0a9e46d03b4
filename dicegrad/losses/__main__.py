"""Say which code computes the losses here: python -m dicegrad.losses."""

import importlib.util
import platform

import torch

from dicegrad.errors import InputError
from dicegrad.losses import native


def cpu() -> str:
    """What computes a loss on the CPU."""
    if native.library() is not None:
        return f"native code, {native.LEVELS[native.level()]} ({platform.machine()})"
    if native.switched_off():
        return "plain torch (DICEGRAD_NATIVE is 0)"
    return (
        "plain torch (the native code is not there: install a C compiler, then dicegrad once more)"
    )


def gpu() -> str:
    """What computes a loss on a CUDA device."""
    if not torch.cuda.is_available():
        return "none found"
    if importlib.util.find_spec("triton") is None:
        return "plain torch (pip install triton for kernels)"
    return "Triton kernels"


def main() -> None:
    """Print a line each for CPU, CUDA and what always is plain torch."""
    try:
        print(f"CPU    {cpu()}, {torch.get_num_threads()} threads")
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
    print(f"CUDA   {gpu()}")
    print("plain torch, wherever it is: torch.compile, second derivatives, gradients for y")


if __name__ == "__main__":
    main()

"""The two passes as native code for CPUs, where it was built when the package was installed.

The first pass reads the prediction and the labels once and leaves three sums per block of voxels,
the second reads them once more and writes the gradient. Both run without Python's lock, in as many
threads as torch may use, and a result is the same to the bit at any number of them.

Two environment variables are read when the first loss is computed. ``DICEGRAD_NATIVE=0`` leaves the
native code out. ``DICEGRAD_CPU`` names the widest instructions that it may use, "avx512", "avx2" or
"baseline", to measure on a new processor what an older one does.
"""

import ctypes
import os
import struct
from collections.abc import Callable, Iterable
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import torch
from torch import Tensor

from dicegrad.errors import InputError

LEVELS = ("baseline", "avx2", "avx512")  # in the order of native.c, as are the two below
_INTERFACE = 3  # must be that of native.c: a library built from older source is left out
_ACTIVATIONS = (None, "sigmoid", "softmax")
_TYPES = {
    torch.float32: 0,
    torch.float64: 1,
    torch.float16: 2,
    torch.bfloat16: 3,
    torch.uint8: 4,
    torch.bool: 4,
    torch.int8: 5,
    torch.int16: 6,
    torch.int32: 7,
    torch.int64: 8,
}
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
# A thread is worth its start, some ten microseconds, if it takes over that many values.
_VALUES_PER_THREAD = 2**16
_TASK = struct.Struct("=34q")
_NO_VIEW = (0, 0, 0, 0, 0)
_NOT_MERGED = 2  # what a pass returns if `into` names a channel that is not there or merged itself
_Tail = ctypes.c_double * 3  # lowest, highest, labels without a channel


def fits(y_pred: Tensor, y: Tensor) -> bool:
    """Whether the native code is there and takes this input: tensors on the CPU."""
    return y_pred.device.type == "cpu" and y_pred.dtype in _FLOATS and library() is not None


def sums(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    mask: Tensor | None = None,
    ignore_index: int | None = None,
    into: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """First pass, see `sums.overlap_sums`.

    Args:
        y_pred: Shape (B, C, *spatial), float32, float64, float16 or bfloat16.
        y: Label map (B, *spatial) or maps per class (B, C, *spatial), of any real dtype.
        activation: None, "sigmoid" or "softmax".
        norm: "l1" or "l2".
        mask: Shape (B, *spatial), bool or uint8; a voxel at which it is 0 leaves every sum.
        ignore_index: Label whose voxels leave every sum. It has no meaning for maps per class.
        into: Shape (B, C), int64: after the activation, channel c is added to channel into[b, c],
            and label c counts as that label. The sums of a channel that is merged into another
            are 0. A channel that takes in others stays itself.

    Returns:
        The sums, shape (3, B, C), float64, and the values that the caller must find in [0, 1]: the
        lowest and the highest probability or map value, and infinity for a label without channel.

    Raises:
        InputError: If ``into`` names a channel that does not exist or is itself merged.
    """
    batch, channels = y_pred.shape[:2]
    out, tail = torch.empty(3, batch, channels, dtype=torch.float64), _Tail()
    task = _Task(y_pred, y, activation, norm, mask, ignore_index, into)
    task.run(_native().dicegrad_sums, _NO_VIEW, 0, out.data_ptr(), ctypes.addressof(tail))
    found = []
    if activation is None or y.ndim == y_pred.ndim:
        found = [tail[0], tail[1]]
    if tail[2]:
        found.append(float("inf"))
    extremes = [torch.tensor(value, dtype=torch.float64) for value in found]
    return out, extremes


def gradient(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    coefficients: Tensor,
    mask: Tensor | None = None,
    ignore_index: int | None = None,
    into: Tensor | None = None,
) -> Tensor:
    """Second pass, see `sums.overlap_gradient`.

    Args:
        y_pred: As for `sums`.
        y: As for `sums`.
        activation: As for `sums`.
        norm: As for `sums`.
        coefficients: Derivatives of the loss by the first and the second sum, shape (2, B, C).
        mask: As for `sums`; the gradient of a voxel that is left out is exactly 0.
        ignore_index: As for `sums`.
        into: As for `sums`; before the activation, the gradient at channel c is that at channel
            into[b, c].

    Returns:
        Shape and dtype of y_pred, in its memory layout if that is dense.

    Raises:
        InputError: As for `sums`.
    """
    task = _Task(y_pred, y, activation, norm, mask, ignore_index, into)
    coefficients = coefficients.to(torch.float64).contiguous()
    result = torch.empty_like(task.maps)
    task.run(_native().dicegrad_gradient, _view(result), coefficients.data_ptr(), 0, 0)
    return result.view(y_pred.shape)


class _Task:
    """Arguments of a pass; it keeps the tensors alive whose memory the native code reads."""

    def __init__(
        self,
        y_pred: Tensor,
        y: Tensor,
        activation: str | None,
        norm: str,
        mask: Tensor | None,
        ignore_index: int | None,
        into: Tensor | None,
    ) -> None:
        maps = self.maps = y_pred.flatten(2)
        labels = y.ndim < y_pred.ndim
        truth = self.truth = y.flatten(1 if labels else 2)
        if truth.dtype not in _TYPES:  # the unsigned types that torch hardly supports
            truth = self.truth = truth.to(torch.int64)
        self.mask = None if mask is None else mask.flatten(1)
        self.into = into
        if into is not None and not (into.dtype == torch.int64 and into.is_contiguous()):
            self.into = into.to(torch.int64).contiguous()
        batch, channels, voxels = maps.shape
        self.head = (
            batch,
            channels,
            voxels,
            _ACTIVATIONS.index(activation),
            norm == "l2",
            labels,
            ignore_index is not None,
            ignore_index or 0,
            level(),
            max(1, min(torch.get_num_threads(), maps.numel() // _VALUES_PER_THREAD)),
        )

    def run(
        self,
        function: Callable[[bytes], int],
        gradient: tuple[int, ...],
        coefficients: int,
        out: int,
        tail: int,
    ) -> None:
        task = _TASK.pack(
            *self.head,
            *_view(self.maps),
            *_view(self.truth),
            *(_NO_VIEW if self.mask is None else _view(self.mask)),
            *gradient,
            0 if self.into is None else self.into.data_ptr(),
            coefficients,
            out,
            tail,
        )
        failed = function(task)
        if failed == _NOT_MERGED and self.into is not None:
            raise InputError(
                f"into is {self.into.tolist()}; each row must name channels from 0 to "
                f"{self.into.shape[1] - 1} that are not merged themselves"
            )
        if failed:
            raise MemoryError("there is no memory for the scratch of the Dice loss")


def _view(tensor: Tensor) -> tuple[int, ...]:
    """Memory, type and strides by row, channel and voxel of a tensor of shape (B, [C,] voxels)."""
    row, *channel, voxel = tensor.stride()
    return tensor.data_ptr(), _TYPES[tensor.dtype], row, channel[0] if channel else 0, voxel


def switched_off() -> bool:
    """Whether the user has switched the native code off."""
    return os.environ.get("DICEGRAD_NATIVE") == "0"


@cache
def library() -> ctypes.CDLL | None:
    """The native code, or None where it was not built or is switched off."""
    return load(__file__, _INTERFACE, ("dicegrad_sums", "dicegrad_gradient"))


def load(beside: str, interface: int, functions: Iterable[str]) -> ctypes.CDLL | None:
    """Load the native code of a module.

    Args:
        beside: The module, in whose folder it lies.
        interface: What the library must say that its interface is.
        functions: Those that will be called, with one task in bytes.

    Returns:
        None if it was not built, does not run here, belongs to other source or is switched off.
    """
    for path in [] if switched_off() else _paths(beside):
        try:
            found = ctypes.CDLL(str(path))
            if found.dicegrad_interface() != interface:
                return None
        except (OSError, AttributeError):
            return None
        for name in functions:
            function = getattr(found, name)
            function.argtypes, function.restype = [ctypes.c_char_p], ctypes.c_int
        return found
    return None


def _paths(beside: str) -> list[Path]:
    paths = [Path(beside).with_name(f"_native{suffix}") for suffix in EXTENSION_SUFFIXES]
    return [path for path in paths if path.is_file()]


def _native() -> ctypes.CDLL:
    found = library()
    if found is None:
        raise RuntimeError("the native code is not there: ask fits() first")
    return found


@cache
def level() -> int:
    """Number of the instructions in use, an index of `LEVELS`.

    Raises:
        InputError: If ``DICEGRAD_CPU`` is set to a word that is none of them.
    """
    found = library()
    best = 0 if found is None else found.dicegrad_level()
    wanted = os.environ.get("DICEGRAD_CPU")
    if wanted is None:
        return best
    if wanted not in LEVELS:
        raise InputError(f"DICEGRAD_CPU is {wanted!r}; allowed are {', '.join(LEVELS)}")
    return min(best, LEVELS.index(wanted))

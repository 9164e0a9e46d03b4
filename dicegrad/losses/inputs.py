"""What every loss accepts, checked in one place so that a mistake is named before arithmetic."""

import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from dicegrad.errors import InputError
from dicegrad.precision import LARGEST, SMALLEST

Phi = Literal["I", "CI", "BI", "BCI"]
Activation = Literal["sigmoid", "softmax"]
Norm = Literal["l1", "l2"]
PerClass = float | Sequence[float] | Tensor

SLACK = 1e-3  # interpolated labels and half-precision probabilities may miss [0, 1] by rounding


def check_choice(name: str, value: object, allowed: Sequence[object]) -> None:
    """Raise an ``InputError`` unless ``value`` is one of ``allowed``; the message names both."""
    if value not in allowed:
        listed = ", ".join(repr(choice) for choice in allowed)
        raise InputError(f"{name} is {value!r}; allowed are {listed}")


def check_settings(phi: object, activation: object, norm: object) -> None:
    """Check the three settings that are words: phi, activation and norm."""
    check_choice("phi", phi, get_args(Phi))
    check_choice("activation", activation, (None, *get_args(Activation)))
    check_choice("norm", norm, get_args(Norm))


def check_epsilon(epsilon: PerClass, phi: str) -> float | tuple[float, ...]:
    """Return epsilon as a float, or as one float per class.

    Args:
        epsilon: The smoothing term, finite and above 0, in voxels; a number or one per class.
        phi: The reduction. ``CI`` and ``BCI`` pool the classes, so they take one number only.

    Raises:
        InputError: If a value is not finite and above 0, is none that single precision holds, or if
            classes are pooled and several came.
    """
    values = _numbers("epsilon", epsilon)
    for value in values if isinstance(values, tuple) else (values,):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"epsilon is {epsilon!r}; it must be finite and above 0")
        if not SMALLEST <= value <= LARGEST:
            raise InputError(
                f"epsilon is {epsilon!r}, which single precision does not hold; give one from "
                f"{SMALLEST:g} to {LARGEST:g}"
            )
    if isinstance(values, tuple) and "C" in phi:
        raise InputError(
            f"epsilon has {len(values)} values, but phi {phi!r} pools the classes: give one number"
        )
    return values


def check_weight(weight: PerClass | None, phi: str) -> tuple[float, ...] | None:
    """Return the class weights as floats, or None.

    Args:
        weight: One finite weight of at least 0 per reduced class, or None for equal weights.
        phi: The reduction. ``CI`` and ``BCI`` pool the classes, so nothing is left to weight.

    Raises:
        InputError: If a weight is negative or not finite, or if phi pools the classes.
    """
    if weight is None:
        return None
    if "C" in phi:
        raise InputError(
            f"weight was given, but phi {phi!r} pools the classes: use phi 'I' or 'BI', "
            "or GeneralizedDiceLoss"
        )
    values = _numbers("weight", weight)
    values = values if isinstance(values, tuple) else (values,)
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise InputError(f"weight is {weight!r}; every weight must be finite and at least 0")
    return values


def check_length(name: str, values: object, classes: int, channels: int) -> None:
    """Raise unless a per-class setting has one value per class that the loss reduces over."""
    if isinstance(values, tuple) and len(values) != classes:
        left_out = " (channel 0, the background, is left out)" if classes < channels else ""
        raise InputError(
            f"{name} has {len(values)} values for {classes} classes: y_pred has {channels} "
            f"channels{left_out}; give a single number or {classes}"
        )


def first_channel(y_pred: Tensor, activation: str | None, include_background: bool) -> int:
    """Check y_pred by itself and return the first channel that the loss reduces over (0 or 1)."""
    if not isinstance(y_pred, Tensor):
        raise InputError(f"y_pred is a {type(y_pred).__name__}; it must be a torch tensor")
    if y_pred.ndim < 3:
        raise InputError(
            f"y_pred has shape {tuple(y_pred.shape)}; it must be (B, C, *spatial), "
            "such as (B, C, X, Y) or (B, C, X, Y, Z)"
        )
    if not y_pred.is_floating_point():
        raise InputError(f"y_pred has dtype {y_pred.dtype}; it must be a floating-point tensor")
    if y_pred.numel() == 0:
        raise InputError(f"y_pred has shape {tuple(y_pred.shape)}: it holds no voxel")
    if y_pred.shape[1] == 1:
        if activation == "softmax":
            raise InputError(
                "activation is 'softmax', but y_pred has 1 channel, whose softmax is 1 "
                "everywhere: use 'sigmoid'"
            )
        if not include_background:
            raise InputError(
                "include_background is False, but y_pred has 1 channel, so no class is left: "
                "a single channel is the foreground already, use include_background=True"
            )
    return 0 if include_background else 1


def as_truth(y_pred: Tensor, y: Tensor) -> Tensor:
    """Bring y to one of two forms that the kernels read.

    Args:
        y_pred: The prediction, shape (B, C, *spatial).
        y: Either a label map of shape (B, *spatial) or (B, 1, *spatial), or one map per class of
            shape (B, C, *spatial).

    Returns:
        A label map of shape (B, *spatial) and an integer or boolean dtype, or maps per class of
        shape (B, C, *spatial). Which one it is shows in the number of dimensions.

    Raises:
        InputError: If the shapes do not fit, the devices differ, or a label map of a
            floating-point dtype holds values that are not whole.
    """
    if not isinstance(y, Tensor):
        raise InputError(f"y is a {type(y).__name__}; it must be a torch tensor")
    y = as_plain(y)
    if y.device != y_pred.device:
        raise InputError(f"y is on {y.device} and y_pred on {y_pred.device}: move y")
    if y.is_complex():
        raise InputError(f"y has dtype {y.dtype}; it must be integer, boolean or floating-point")
    batch, channels, *spatial = y_pred.shape
    whole = not y.is_floating_point()
    if list(y.shape) == [batch, *spatial]:
        return y if whole else _whole_labels(y)
    if list(y.shape) == [batch, 1, *spatial] and (channels > 1 or whole):
        return y[:, 0] if whole else _whole_labels(y[:, 0])
    if y.shape == y_pred.shape:
        return y
    raise InputError(
        f"y has shape {tuple(y.shape)} and y_pred {tuple(y_pred.shape)}; y must be a label map "
        f"{(batch, *spatial)} or {(batch, 1, *spatial)}, or one map per class {tuple(y_pred.shape)}"
    )


def as_plain(tensor: Tensor) -> Tensor:
    """Take off a subclass such as MONAI's MetaTensor, whose bookkeeping would cost time."""
    if type(tensor) in (Tensor, torch.nn.Parameter) or torch.compiler.is_compiling():
        return tensor
    return tensor.as_subclass(Tensor)


def check_values(
    y_pred: Tensor,
    y: Tensor,
    volumes: Tensor,
    extremes: list[Tensor],
    kept: Callable[[], Tensor | None] = lambda: None,
    count: bool = True,
) -> None:
    """Raise unless every label has a channel and soft values lie in [0, 1], but for rounding.

    NaN passes: the loss is NaN then, and a gradient scaler skips the step.

    Args:
        y_pred: Shape (B, C, *spatial).
        y: Label map (B, *spatial) or maps per class (B, C, *spatial).
        volumes: Sums of the truth, shape (B, C).
        extremes: Lowest and highest values of what should lie in [0, 1], of any shape.
        kept: Returns the voxels that are not ignored, (B, *spatial) bool, or None for all; it is
            called only where they have to be counted.
        count: Whether a label without a channel shows only in that the volumes do not add up to
            the number of voxels; otherwise it is among the extremes, as infinity.

    Raises:
        InputError: On the CPU. On CUDA a device-side assertion is queued, so that nothing waits;
            other devices are not checked.
    """
    counted = count and y.ndim < y_pred.ndim and y_pred.shape[1] > 1
    left = kept() if counted else None
    voxels = y.numel() if left is None else torch.count_nonzero(left)
    if y_pred.device.type == "cpu":
        inside = not counted or volumes.sum().item() == int(voxels)
        for value in extremes:
            inside = inside and not (value.item() < -SLACK or value.item() > 1 + SLACK)
        if not inside:
            _raise_range(y_pred, y, kept())
    if y_pred.device.type != "cuda":
        return
    if counted:
        torch._assert_async(volumes.sum() == voxels, "y holds a label without a channel")
    for values in extremes:
        within = ~((values < -SLACK) | (values > 1 + SLACK)).any()
        torch._assert_async(within, "y_pred or y holds values outside [0, 1]")


def check_labels(y_pred: Tensor, y: Tensor, kept: Tensor | None = None) -> None:
    """Raise an ``InputError`` unless every kept label of a map on the CPU has a channel."""
    if y.device.type == "cpu" and y.dtype != torch.bool and y.ndim < y_pred.ndim:
        inside = y if kept is None else y[kept]
        if inside.numel() == 0:
            return
        lowest, highest = torch.aminmax(inside)
        if lowest < 0 or highest > max(y_pred.shape[1] - 1, 1):
            _raise_range(y_pred, inside, labels=True)


def _raise_range(
    y_pred: Tensor, y: Tensor, kept: Tensor | None = None, *, labels: bool | None = None
) -> None:
    """Say which of the two holds what is not allowed."""
    labels = y.ndim < y_pred.ndim if labels is None else labels
    channels = y_pred.shape[1]
    if kept is not None:
        y_pred = y_pred.movedim(1, -1)[kept]
        y = y[kept] if labels else y.movedim(1, -1)[kept]
    lowest, highest = y.min().item(), y.max().item()
    most = max(channels - 1, 1) if labels else 1
    if lowest < -SLACK or highest > most + SLACK:
        kind = "labels" if labels else "values"
        why = f", since y_pred has {channels} channel(s)" if labels else ""
        raise InputError(
            f"y holds {kind} from {lowest:g} to {highest:g}; allowed are 0 to {most}{why}"
        )
    lowest, highest = y_pred.min().item(), y_pred.max().item()
    raise InputError(
        f"y_pred holds values from {lowest:g} to {highest:g}; allowed are 0 to 1 "
        "(for logits give activation='sigmoid' or 'softmax')"
    )


def _whole_labels(y: Tensor) -> Tensor:
    labels = y.to(torch.int64)
    if not torch.equal(labels.to(y.dtype), y):
        raise InputError(
            f"y has the shape of a label map, {tuple(y.shape)}, but dtype {y.dtype} with values "
            "that are not whole: give whole labels, or one map per class (B, C, *spatial)"
        )
    return labels


def _numbers(name: str, value: PerClass) -> float | tuple[float, ...]:
    try:
        if hasattr(value, "tolist"):  # a tensor, a NumPy array or a NumPy number
            value = value.tolist()
        if isinstance(value, int | float):
            return float(value)
        return tuple(float(item) for item in value)
    except (TypeError, ValueError):
        raise InputError(
            f"{name} is {value!r}; it must be a number or one number per class"
        ) from None

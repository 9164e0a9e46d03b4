"""The two passes over the voxels that every loss here is made of.

A soft overlap loss sees the voxels only through three sums per batch element and channel: the
intersection, the predicted volume and the true volume. Its derivative with respect to a voxel of
the prediction is therefore affine in that voxel's truth, with coefficients that the whole subset
shares (Eq. 4). `overlap_sums` is the first pass, `overlap_gradient` the second; neither keeps
probabilities or one-hot maps. `plain_sums` is the first pass as a formula autograd can follow.
"""

from collections.abc import Callable
from functools import cache, partial
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dicegrad.losses import native
from dicegrad.losses.inputs import as_plain, check_labels, check_values
from dicegrad.losses.masks import EVERYTHING, Masks
from dicegrad.losses.tile import working_dtype
from dicegrad.losses.tiles import tiled_gradient, tiled_sums

# Up to so many values the formula is faster than tiles; and so many a float counts.
_FEW, _COUNTABLE = 2**20, 2**24


def overlap_sums(
    y_pred: Tensor, y: Tensor, activation: str | None, norm: str, masks: Masks = EVERYTHING
) -> Tensor:
    """Sum the intersection, the prediction and the truth over the voxels, without a gradient.

    Args:
        y_pred: Probabilities, or logits if there is an activation; shape (B, C, *spatial).
        y: Label map (B, *spatial) or maps per class (B, C, *spatial), see `inputs.as_truth`.
        activation: None, "sigmoid" or "softmax" (over the channels).
        norm: "l1" sums p and y; "l2" sums their squares.
        masks: The voxels that are left out, and the channels that are merged after the activation.

    Returns:
        Shape (3, B, C), float64 (float32 where the device has no float64): sum of y p, sum of p
        (or p^2), sum of y (or y^2). They are 0 for a channel that is merged into another.

    Raises:
        InputError: If a label has no channel, or if probabilities or maps per class leave [0, 1].
            On CUDA the same mistakes trip a device-side assertion, as a label out of range does in
            torch's cross-entropy, so that no call waits for the device.
    """
    y_pred = as_plain(y_pred)
    first_pass, _ = _passes(y_pred, y, masks)
    sums, extremes = first_pass(y_pred, y, activation, norm, *masks.over_voxels)
    count = first_pass is not native.sums  # which looks at every label itself
    check_values(y_pred, y, sums[2], extremes, partial(masks.kept, y), count)
    return sums


def overlap_gradient(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    coefficients: Tensor,
    masks: Masks = EVERYTHING,
    upstream: Tensor | None = None,
) -> Tensor:
    """Gradient with respect to y_pred of a loss that is known by its derivatives to the sums.

    Args:
        y_pred: As for `overlap_sums`.
        y: As for `overlap_sums`.
        activation: As for `overlap_sums`.
        norm: As for `overlap_sums`.
        coefficients: Derivatives of the loss by the first and the second sum, shape (2, B, C).
        masks: As for `overlap_sums`.
        upstream: What the coefficients are multiplied by, a number or (B, C); None is 1.

    Returns:
        Shape and dtype of y_pred, exactly 0 at ignored voxels. Before the activation it is, for
        "l1", ``coefficients[0] * y + coefficients[1]``: affine in y, two values for a binary y.
        For "l2" the second term is ``2 * coefficients[1] * p``. A merged channel has the gradient
        of the channel that it joins.
    """
    y_pred = as_plain(y_pred)
    _, second_pass = _passes(y_pred, y, masks)
    if upstream is not None:
        found = fused_for(y_pred, y, masks) if upstream.ndim == 0 else None
        if found:  # which multiplies by it itself
            over = (coefficients, *masks.over_voxels, upstream)
            return found.fused_gradient(y_pred, y, activation, norm, *over)
        coefficients = upstream * coefficients
    return second_pass(y_pred, y, activation, norm, coefficients, *masks.over_voxels)


def plain_sums(
    y_pred: Tensor, y: Tensor, activation: str | None, norm: str, masks: Masks = EVERYTHING
) -> Tensor:
    """`overlap_sums` as a plain formula, differentiable any number of times, in y as well.

    It is what a second derivative, a gradient for y and `torch.compile` go through. It keeps
    probabilities and one-hot maps, and checks no value.
    """
    p, truth = plain_maps(y_pred, y, activation, masks)
    p, truth = p.flatten(2), truth.flatten(2)
    predicted, true = (p, truth) if norm == "l1" else (p * p, truth * truth)
    return torch.stack([(p * truth).sum(-1), predicted.sum(-1), true.sum(-1)])


def plain_maps(
    y_pred: Tensor, y: Tensor, activation: str | None, masks: Masks
) -> tuple[Tensor, Tensor]:
    """Probabilities and truth of every channel, masked and merged, shape (B, C, *spatial)."""
    p, kept = probabilities(y_pred, activation), masks.kept(y)
    if kept is not None and y.ndim < p.ndim:
        y = y.masked_fill(~kept, 0)  # what is ignored may have no channel
    truth = maps_per_class(y, p)
    if kept is not None:
        left_out = ~kept.unsqueeze(1)
        p, truth = p.masked_fill(left_out, 0), truth.masked_fill(left_out, 0)
    if masks.into is None:
        return p, truth
    return merge(p, masks.into), merge(truth, masks.into)


def merge(maps: Tensor, into: Tensor) -> Tensor:
    """Add every channel to the one that it goes into; 0 is left of a channel that moved."""
    moves = F.one_hot(into, maps.shape[1]).to(maps.dtype)  # (B, from, to)
    return torch.einsum("bcv,bct->btv", maps.flatten(2), moves).view(maps.shape)


def differentiable_sums(
    y_pred: Tensor, y: Tensor, activation: str | None, norm: str, masks: Masks = EVERYTHING
) -> Tensor:
    """`overlap_sums` with a gradient for y_pred that needs no graph over the voxels."""
    if needs_plain(y):
        return plain_sums(y_pred, y, activation, norm, masks)
    if plain_is_faster(y_pred, y):
        return checked_plain_sums(y_pred, y, activation, norm, masks).to(torch.float64)
    return _OverlapSums.apply(y_pred, y, masks, activation, norm)


def needs_plain(y: Tensor) -> bool:
    """Whether autograd or the compiler has to see the formula itself."""
    return torch.compiler.is_compiling() or (y.requires_grad and torch.is_grad_enabled())


def plain_is_faster(y_pred: Tensor, y: Tensor) -> bool:
    """Whether the formula is faster than tiles: without native code, if the volume is small.

    Or if it has one channel and wide labels, of which a tile makes floats in both passes. The
    formula keeps probabilities and truth, where the two passes compute them again.
    """
    if y_pred.device.type != "cpu" or native.fits(y_pred, y):
        return False
    wide = y_pred.shape[1] == 1 and y.element_size() > 1
    return y_pred.numel() <= (_COUNTABLE if wide else _FEW)


def checked_plain_sums(
    y_pred: Tensor, y: Tensor, activation: str | None, norm: str, masks: Masks = EVERYTHING
) -> Tensor:
    """`plain_sums`, and the checks of `overlap_sums`, for tensors on a CPU."""
    y_pred, truth = as_plain(y_pred), y
    if y_pred.shape[1] == 1 and y.ndim < y_pred.ndim and masks.ignore_index is None:
        truth = y.to(working_dtype(y_pred)).unsqueeze(1)  # of which the check is faster
    sums = plain_sums(y_pred, truth, activation, norm, masks)
    with torch.no_grad():
        soft = [y_pred] if activation is None else []
        soft += [truth] if truth.ndim == y_pred.ndim else []
        left_out = masks.kept(y) if soft else None
        if left_out is not None:
            soft = [maps.masked_fill(~left_out.unsqueeze(1), 0) for maps in soft]
        if y_pred.shape[1] == 1 and truth is y:
            check_labels(y_pred, y, masks.kept(y))
        extremes = [value for maps in soft for value in torch.aminmax(maps)]
        check_values(y_pred, y, sums[2], extremes, partial(masks.kept, y))
    return sums


class _OverlapSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        y_pred: Tensor,
        y: Tensor,
        masks: Masks,
        activation: str | None,
        norm: str,
    ) -> Tensor:
        ctx.save_for_backward(y_pred, y)
        ctx.settings = activation, norm, masks
        return overlap_sums(y_pred, y, activation, norm, masks)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        y_pred, y = ctx.saved_tensors
        activation, norm, masks = ctx.settings
        if torch.is_grad_enabled():  # a second derivative is wanted
            sums = plain_sums(y_pred, y, activation, norm, masks).to(upstream.dtype)
            (gradient,) = torch.autograd.grad(sums, y_pred, upstream, create_graph=True)
        else:
            gradient = overlap_gradient(y_pred, y, activation, norm, upstream[:2], masks)
        return gradient, None, None, None, None


def probabilities(y_pred: Tensor, activation: str | None) -> Tensor:
    """Apply the activation in at least float32, so that half-precision input loses no sum."""
    y_pred = y_pred.to(working_dtype(y_pred))
    if activation == "sigmoid":
        return y_pred.sigmoid()
    return y_pred.softmax(1) if activation == "softmax" else y_pred


def maps_per_class(y: Tensor, p: Tensor) -> Tensor:
    """One map per channel. A single channel stands for label 1, otherwise channel c for label c."""
    channels = p.shape[1]
    if y.ndim == p.ndim:
        return y.to(p.dtype)
    if channels == 1:
        return (y == 1).to(p.dtype).unsqueeze(1)
    channel = torch.arange(channels, device=y.device).view(-1, *[1] * (y.ndim - 1))
    return (y.unsqueeze(1) == channel).to(p.dtype)


def _passes(y_pred: Tensor, y: Tensor, masks: Masks) -> tuple[Callable, Callable]:
    """The two passes in the fastest form that is there and takes this input."""
    if native.fits(y_pred, y):
        return native.sums, native.gradient
    if found := fused_for(y_pred, y, masks):
        return found.fused_sums, found.fused_gradient
    return tiled_sums, tiled_gradient


def fused_for(y_pred: Tensor, y: Tensor, masks: Masks) -> ModuleType | None:
    """The Triton kernels where they are there and take this input, or None."""
    found = fused() if y_pred.is_cuda and masks.only_background else None
    return found if found and found.fits(y_pred, y) else None


@cache
def fused() -> ModuleType | None:
    """The Triton kernels, or None where Triton is absent: then the tiled passes run on CUDA."""
    try:
        from dicegrad.losses import fused
    except ImportError:
        return None
    return fused

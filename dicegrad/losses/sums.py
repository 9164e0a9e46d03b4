"""The two passes over the voxels that every loss here is made of.

A soft overlap loss sees the voxels only through three sums per batch element and channel:
the intersection, the predicted volume and the true volume. Its derivative with respect to a voxel
of the prediction is therefore affine in that voxel's truth, with coefficients that are shared by the
whole subset (Eq. 4). `overlap_sums` is the first pass, `overlap_gradient` the second; neither keeps
probabilities or one-hot maps.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def overlap_sums(y_pred: Tensor, y: Tensor, activation: str | None, norm: str) -> Tensor:
    """Sum the intersection, the prediction and the truth over the voxels.

    Args:
        y_pred: Probabilities, or logits if there is an activation; shape (B, C, *spatial).
        y: Label map (B, *spatial) or maps per class (B, C, *spatial), see `inputs.as_truth`.
        activation: None, "sigmoid" or "softmax" (over the channels).
        norm: "l1" sums p and y; "l2" sums their squares.

    Returns:
        Shape (3, B, C), float64: sum of y p, sum of p (or p^2), sum of y (or y^2).
    """
    p = probabilities(y_pred, activation).flatten(2)
    truth = maps_per_class(y, p).flatten(2)
    predicted, true = (p, truth) if norm == "l1" else (p * p, truth * truth)
    sums = torch.stack([(p * truth).sum(-1), predicted.sum(-1), true.sum(-1)])
    return sums.double()


def overlap_gradient(
    y_pred: Tensor,
    y: Tensor,
    activation: str | None,
    norm: str,
    by_intersection: Tensor,
    by_predicted: Tensor,
) -> Tensor:
    """Gradient with respect to y_pred of a loss that is known by its derivatives to the sums.

    Args:
        y_pred: As for `overlap_sums`.
        y: As for `overlap_sums`.
        activation: As for `overlap_sums`.
        norm: As for `overlap_sums`.
        by_intersection: Derivative of the loss by the first sum, shape (B, C).
        by_predicted: Derivative of the loss by the second sum, shape (B, C).

    Returns:
        Shape and dtype of y_pred. Before the activation it is, for "l1",
        ``by_intersection * y + by_predicted``: affine in y, two values for a binary y.
    """
    p = probabilities(y_pred, activation)
    truth = maps_per_class(y, p)
    shape = (*by_predicted.shape, *[1] * (p.ndim - 2))
    slope = by_intersection.to(p.dtype).reshape(shape)
    level = by_predicted.to(p.dtype).reshape(shape)
    gradient = slope * truth + (level if norm == "l1" else 2 * level * p)
    if activation == "sigmoid":
        gradient = gradient * p * (1 - p)
    elif activation == "softmax":
        gradient = p * (gradient - (gradient * p).sum(1, keepdim=True))
    return gradient.to(y_pred.dtype)


def probabilities(y_pred: Tensor, activation: str | None) -> Tensor:
    """Apply the activation in at least float32, so that half-precision input loses no sum."""
    y_pred = y_pred.float() if y_pred.dtype in (torch.float16, torch.bfloat16) else y_pred
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
    return F.one_hot(y.long(), channels).movedim(-1, 1).to(p.dtype)

"""Cross-entropy of every voxel, where the label of a voxel may be one of several classes.

At a voxel whose label is one of the set S, the likelihood of the label is q = sum of p_c over S,
and the cross-entropy is -log q. Everything is computed from logits with logsumexp.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dicegrad.losses.label_sets import LabelSets
from dicegrad.losses.sums import merge


def softmax_terms(
    logits: Tensor,
    y: Tensor,
    into: Tensor | None,
    label_sets: LabelSets | None,
    weight: Tensor | None,
    label_smoothing: float,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """The terms of a cross-entropy over one distribution.

    Args:
        logits: Shape (B, C, *spatial).
        y: Label map (B, *spatial), its ignored voxels set to 0, or maps per class (B, C, *spatial).
        into: (B, C) int64, the channel that each channel joins; None merges nothing.
        label_sets: Labels that stand for a set of channels, or None.
        weight: (C,) class weights, or None.
        label_smoothing: Share of the truth that is spread evenly over the classes of the case.

    Returns:
        Weighted terms (B, *spatial), the weights by which a mean is divided (None if all are 1),
        and log q of the label alone, from which a focal factor is made.
    """
    if y.ndim == logits.ndim:
        terms, log_q = _terms_of_maps(logits, y, into, weight, label_smoothing)
        return terms, None, log_q
    labels = y.long()
    for label, members in (label_sets or {}).items():
        labels = labels.masked_fill(y == label, members[0])
    total = torch.logsumexp(logits, 1)
    log_q = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    shape = (*logits.shape[:2], *[1] * (logits.ndim - 2))
    if into is not None:
        joined = into == 0  # the background and what joins it
        background = logits.masked_fill(~joined.reshape(shape), -torch.inf).logsumexp(1)
        labels = into.gather(1, labels.flatten(1)).view(labels.shape)
        log_q = torch.where(labels == 0, background, log_q)
    for label, members in (label_sets or {}).items():
        inside = torch.zeros_like(logits[:, :, :1].flatten(2)[..., 0], dtype=torch.bool)
        inside[:, list(members)] = True
        if into is not None:  # with the background every class that joins it is possible
            inside = inside | ((into == 0) & (inside & (into == 0)).any(1, keepdim=True))
        union = logits.masked_fill(~inside.reshape(shape), -torch.inf).logsumexp(1)
        log_q = torch.where(y == label, union, log_q)
    log_q = log_q - total
    divisor = None if weight is None else weight[labels]
    terms = -log_q if divisor is None else -log_q * divisor
    if label_smoothing:
        log_p, classes = _log_probabilities(logits, into)
        factor = classes if weight is None else classes * weight.reshape(1, -1, *shape[2:])
        spread = -(factor * log_p).sum(1) / classes.sum(1)
        terms = (1 - label_smoothing) * terms + label_smoothing * spread
    return terms, divisor, log_q


def _log_probabilities(logits: Tensor, into: Tensor | None) -> tuple[Tensor, Tensor]:
    """log p of every class after merging, and 1 for those that are left, 0 for merged ones."""
    shape = (*logits.shape[:2], *[1] * (logits.ndim - 2))
    if into is None:
        return logits.log_softmax(1), logits.new_ones(shape)
    channel = torch.arange(logits.shape[1], device=logits.device)
    left = (into == channel).reshape(shape)
    joined = (into == 0).reshape(shape)
    background = logits.masked_fill(~joined, -torch.inf).logsumexp(1, keepdim=True)
    merged = torch.cat([background, logits[:, 1:]], 1) - torch.logsumexp(logits, 1, keepdim=True)
    return merged.masked_fill(~left, 0), left.to(logits.dtype)


def _terms_of_maps(
    logits: Tensor,
    y: Tensor,
    into: Tensor | None,
    weight: Tensor | None,
    label_smoothing: float,
) -> tuple[Tensor, Tensor]:
    """Terms for a truth of one map per class, whose values may lie between 0 and 1."""
    log_p, classes = _log_probabilities(logits, into)
    truth = y.to(logits.dtype)
    truth = truth if into is None else merge(truth, into)
    if label_smoothing:
        truth = (1 - label_smoothing) * truth + label_smoothing * classes / classes.sum(
            1, keepdim=True
        )
    log_q = (truth * log_p).sum(1)
    if weight is None:
        return -log_q, log_q
    return -(truth * log_p * weight.reshape(1, -1, *[1] * (logits.ndim - 2))).sum(1), log_q


def sigmoid_terms(
    logits: Tensor, y: Tensor, weight: Tensor | None, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """The terms of one distribution per channel, weighted, and log q of each; (B, C, *spatial)."""
    truth = label_maps(y, logits)
    smooth = truth * (1 - label_smoothing) + label_smoothing / 2 if label_smoothing else truth
    positive = None if weight is None else weight.reshape(-1, *[1] * (logits.ndim - 2))
    terms = F.binary_cross_entropy_with_logits(
        logits, smooth, pos_weight=positive, reduction="none"
    )
    return terms, -F.binary_cross_entropy_with_logits(logits, truth, reduction="none")


def label_maps(y: Tensor, logits: Tensor) -> Tensor:
    """One map per channel in the memory order of the logits, which a mean over both reads faster.

    Channel c stands for label c, a single channel for label 1.
    """
    if y.ndim < logits.ndim:
        channels = logits.shape[1]
        labels = torch.arange(channels, device=y.device) if channels > 1 else y.new_ones(1)
        y = y.unsqueeze(1) == labels.reshape(1, -1, *[1] * (logits.ndim - 2))
    return y.to(logits.dtype)

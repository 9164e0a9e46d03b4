"""Channels that a loss adds to the background, and what it is of the others."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dicegrad.advice.identify_call import Convention, call, measure
from dicegrad.advice.identify_probes import all_probes

_SAME = 1e-7  # a share of the largest derivative, or of the value


def joined_channels(loss: Callable, how: Convention, softmax: bool) -> tuple[int, ...]:
    """Channels that are background to a loss: only the sum of their probabilities counts.

    Args:
        loss: The loss.
        how: How it is called.
        softmax: Whether it has a softmax inside; probabilities are given if not.

    Returns:
        Those beside 0 whose derivatives by the probability are those of channel 0 everywhere, and
        whose labels count as label 0.
    """
    probe = all_probes(how.channels)[0]
    activation = "softmax" if softmax else None
    measured = measure(loss, how, probe, activation)
    if how.channels < 3 or measured.gradient is None or not np.isfinite(measured.gradient).all():
        return ()
    slope = measured.gradient
    if softmax:  # up to one number per voxel, which is the same for all channels
        slope = slope / probe.probabilities("softmax")
    least = _SAME * np.abs(slope).max()
    found = []
    for channel in range(1, how.channels):
        if np.abs(slope[:, channel] - slope[:, 0]).max() > least:
            continue
        labels = np.where(probe.labels == channel, 0, probe.labels)
        given = probe.logits if softmax else probe.probabilities(None)
        moved = call(loss, how, given, replace(probe, labels=labels, kept={}), gradient=False)
        if abs(moved.value - measured.value) <= _SAME * max(abs(measured.value), 1.0):
            found.append(channel)
    return tuple(found) if len(found) < how.channels - 1 else ()


def without_joined(
    loss: Callable, how: Convention, joined: tuple[int, ...], softmax: bool
) -> tuple[Callable, Convention]:
    """The loss as one of the other channels, and how that is called.

    What it says of the background's channel is shared equally among those that are joined.
    """
    left = [c for c in range(how.channels) if c not in joined]
    source = [left.index(c) if c in left else 0 for c in range(how.channels)]
    share = 1 + len(joined)

    def of_left(y_pred: Tensor, y: Tensor) -> Tensor:
        scaled = y_pred[:, :1] - np.log(share) if softmax else y_pred[:, :1] / share
        given = torch.cat([scaled, y_pred[:, 1:]], 1)[:, source]
        if how.labels == "one-hot":
            maps = [y[:, source[c]] * (c in left) for c in range(how.channels)]
            return loss(given, torch.stack(maps, 1))
        return loss(given, torch.tensor(left)[y.long()].to(y.dtype))

    return of_left, replace(how, channels=len(left))

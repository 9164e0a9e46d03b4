"""Labels that stand for a set of classes, such as 255 for "liver or spleen" (Fidon et al. 2021).

Both masks are special cases: an ignored voxel is one whose set is all channels, and the background
of a case whose classes U are not annotated is the set of the background and U.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dicegrad.errors import InputError

LabelSets = Mapping[int, Sequence[int]]


def check_label_sets(label_sets: Any, ignore_index: int | None) -> dict[int, tuple[int, ...]]:  # noqa: ANN401
    """Return the sets in ascending order; an ``InputError`` names the one that is wrong."""
    try:
        sets = {int(label): tuple(sorted(set(map(int, c)))) for label, c in label_sets.items()}
    except (AttributeError, TypeError, ValueError):
        raise InputError(
            f"label_sets is {label_sets!r}; it must map labels to channels, as in {{255: (1, 3)}}"
        ) from None
    for label, members in sets.items():
        if len(members) < 2 or members[0] < 0:
            raise InputError(
                f"label_sets has {label}: {members}; a set is two or more channel numbers"
            )
        if label == ignore_index:
            raise InputError(f"label {label} is in label_sets and is ignore_index: choose one")
    return sets


def check_sets_fit(y_pred: Tensor, y: Tensor, sets: LabelSets) -> None:
    """Raise unless y is a label map and every set speaks of channels that are there."""
    channels = y_pred.shape[1]
    if y.ndim == y_pred.ndim:
        raise InputError("label_sets were given, but y holds one map per class: give a label map")
    for label, members in sets.items():
        if label in range(channels):
            raise InputError(
                f"label_sets has label {label}, which is channel {label} of y_pred: take a value "
                f"of {channels} or above"
            )
        if members[-1] >= channels:
            raise InputError(
                f"label_sets has {label}: {members}, but y_pred has {channels} channels"
            )


def join_sets(
    y_pred: Tensor,
    y: Tensor,
    sets: LabelSets,
    mask: Tensor | None,
    into: Tensor | None,
    share: Tensor | None,
    ignore_index: int | None,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Label sets as merged maps: the classes that a case does not tell apart become one map.

    In a case where a set occurs, the map of each of its classes is known in part only, and that of
    their union in full. So the union stands in place of the lowest of them, and the others leave.
    Sets of one case that share a class join. Whether a set occurs is read from y, for which an
    accelerator is waited for.

    Args:
        y_pred: Shape (B, C, *spatial).
        y: Label map (B, *spatial).
        sets: Channels by label, in ascending order.
        mask: (B, *spatial) bool, or None.
        into: (B, C) int64, what is merged already, or None.
        share: (B, C) bool, the maps that take part, or None.
        ignore_index: Label that is ignored, or None.

    Returns:
        The label map with every set replaced by its lowest channel, and the three masks; what
        ignore_index leaves out is in the first of them.
    """
    check_sets_fit(y_pred, y, sets)
    batch, channels = y_pred.shape[:2]
    kept = None if ignore_index is None else y != ignore_index
    kept = mask if kept is None else kept if mask is None else kept & mask
    targets = torch.arange(channels).repeat(batch, 1) if into is None else into.cpu().clone()
    labels = y
    y = y.to(torch.int64)
    for label, members in sets.items():
        here = labels == label
        if len(members) == channels:  # nothing is known of the voxel
            kept = ~here if kept is None else kept & ~here
            continue
        there = here if kept is None else here & kept
        for b in torch.nonzero(there.flatten(1).any(1).cpu()).flatten().tolist():
            _join(targets[b], members)
        y = y.masked_fill(here, members[0])
    lowest = torch.arange(channels)
    maps = (targets == lowest) & (targets != targets[:, :1]).any(1, keepdim=True)
    maps, targets = maps.to(y.device), targets.to(y.device)
    return y, kept, targets, maps if share is None else maps & _any_member(share, targets)


def _join(target: Tensor, members: Iterable[int]) -> None:
    """Let the channels of a set, and all that were joined with one of them, share the lowest."""
    met = torch.isin(target, target[list(members)])
    target[met] = target[met].min()


def _any_member(share: Tensor, targets: Tensor) -> Tensor:
    """Whether a map, or one that is merged into it, takes part."""
    counted = torch.zeros_like(targets).scatter_add_(1, targets, share.to(targets.dtype))
    return counted > 0

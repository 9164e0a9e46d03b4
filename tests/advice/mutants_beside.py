"""Mutants of what a loss does beside its form: exclusion, joined classes, ignored labels.

As in `mutants`. Those of ignored labels take label maps (B, 1, *).
"""

import torch

from tests.advice.mutants import (
    BASE,
    EPS,
    NOTHING,
    SPACE,
    TWO,
    cross_entropy,
    original,
    ratio,
    softmax,
)


def apart(z, y, above=0.0, norm=1):
    """Dice(p, 1 - y) of each map, (B, C)."""
    p = softmax(z)
    top = 2 * (p * (1 - y)).sum(SPACE) + above
    return top / ((p**norm).sum(SPACE) + (1 - y).sum(SPACE) + above)


def excluding(factor, part):
    return lambda z, y: original(z, y) + factor * part(z, y)


def apart_over_the_batch(z, y):
    p, axes = softmax(z)[:, 1:], (0, *SPACE)
    rest = 1 - y[:, 1:]
    return (2 * (p * rest).sum(axes) / (p.sum(axes) + rest.sum(axes))).mean()


def apart_the_other_way_round(z, y):
    q = 1 - softmax(z)[:, 1:]
    return (2 * (q * y[:, 1:]).sum(SPACE) / (q.sum(SPACE) + y[:, 1:].sum(SPACE))).mean()


def joined(maps, a=0, b=2):
    """The maps with b added to a, and without b."""
    left = [maps[:, c : c + 1] for c in range(maps.shape[1])]
    left[a] = left[a] + left[b]
    return torch.cat([each for c, each in enumerate(left) if c != b], 1)


def of_joined(z, y):
    return 1 - ratio(joined(softmax(z)), joined(y)).mean()


def joined_and_entropy(z, y):
    q, t = joined(softmax(z)), joined(y)
    return 1 - ratio(q, t).mean() - (t * q.log()).sum(1).mean()


def joined_prediction_alone(z, y):
    return 1 - ratio(joined(softmax(z)), torch.cat([y[:, :2], y[:, 3:]], 1)).mean()


def joined_logits(z, y):
    return 1 - ratio(softmax(joined(z)), joined(y)).mean()


def joined_foreground(z, y):
    return 1 - ratio(joined(softmax(z), 1, 2), joined(y, 1, 2)).mean()


def nearly_joined(z, y):
    p = softmax(z)
    return 1 - ratio(joined(p), joined(y)).mean() + 1e-4 * p[:, 2].mean()


def with_maps(loss, label=3):
    """A loss of logits, maps and the mask of a label, as one of labels (B, 1, *)."""

    def called(z, y):
        if y.shape[1] != 1:
            raise ValueError("takes labels (B, 1, *)")
        maps = torch.stack([y[:, 0] == c for c in range(z.shape[1])], 1).to(z.dtype)
        return loss(z, maps, (y != label).to(z.dtype))

    return called


def masked(z, y, m):
    return 1 - ratio(softmax(z) * m, y * m).mean()


def masked_truth(z, y, m):
    return 1 - ratio(softmax(z), y * m).mean()


def masked_logits(z, y, m):
    return 1 - ratio(softmax(z * m), y * m).mean()


def masked_overlap(z, y, m):
    p = softmax(z)
    i, v, t = (p * y * m).sum(SPACE), p.sum(SPACE), (y * m).sum(SPACE)
    return 1 - ((2 * i + EPS) / (v + t + EPS)).mean()


def masked_without_its_class(z, y, m):
    return 1 - ratio(softmax(z) * m, y * m)[:, :3].mean()


def masked_and_renormalised(z, y, m):
    p = softmax(z)[:, :3]
    return 1 - ratio(p / p.sum(1, keepdim=True) * m, y[:, :3] * m).mean()


def entropy_over_all_voxels(z, y, m):
    return masked(z, y, m) - (m * y * z.log_softmax(1)).sum(1).mean()


def entropy_over_kept_voxels(z, y, m):
    return masked(z, y, m) - (m * y * z.log_softmax(1)).sum() / m.sum()


IGNORING = BASE | TWO | {"ignore_index": (3,), "ignored_voxels": "removed"}
JOINED = BASE | TWO | {"joined": (2,)}

MUTANTS = {
    "exclusion": (
        excluding(2, lambda z, y: apart(z, y)[:, 1:].mean()),
        BASE | TWO | {"exclusion": 2.0},
    ),
    "exclusion of the wrong sign": (
        excluding(-2, lambda z, y: apart(z, y)[:, 1:].mean()),
        BASE | TWO | {"exclusion": -2.0} | NOTHING,
    ),
    "exclusion with cross-entropy": (
        lambda z, y: cross_entropy(z, y) + 0.5 * apart(z, y)[:, 1:].mean(),
        {"phi": "none", "cross_entropy": 1.0, "exclusion": 0.5},
    ),
    "exclusion over the background as well": (
        excluding(2, lambda z, y: apart(z, y).mean()),
        BASE | TWO | {"exclusion": "unknown"} | NOTHING,
    ),
    "exclusion of one class": (
        excluding(2, lambda z, y: apart(z, y)[:, 1].mean()),
        BASE | TWO | {"exclusion": "unknown"} | NOTHING,
    ),
    "exclusion over the batch": (excluding(2, apart_over_the_batch), NOTHING),
    "exclusion with squares": (
        excluding(2, lambda z, y: apart(z, y, norm=2)[:, 1:].mean()),
        NOTHING,
    ),
    "exclusion with an epsilon of one voxel": (
        excluding(2, lambda z, y: apart(z, y, 1.0)[:, 1:].mean()),
        NOTHING,
    ),
    "exclusion the other way round": (excluding(2, apart_the_other_way_round), NOTHING),
    "exclusion that is squared": (
        excluding(2, lambda z, y: apart(z, y)[:, 1:].square().mean()),
        NOTHING,
    ),
    "a class joined to the background": (of_joined, JOINED),
    "a class joined to the background, with cross-entropy": (
        joined_and_entropy,
        JOINED | {"cross_entropy": 1.0},
    ),
    "a class joined in the prediction alone": (joined_prediction_alone, NOTHING | {"joined": ()}),
    "a class whose logits are joined": (joined_logits, NOTHING | {"joined": ()}),
    "two classes of the foreground joined": (joined_foreground, NOTHING | {"joined": ()}),
    "a class that is nearly joined": (nearly_joined, NOTHING | {"joined": ()}),
    "an ignored class": (with_maps(masked), IGNORING),
    "an ignored class with cross-entropy": (
        with_maps(entropy_over_kept_voxels),
        IGNORING | {"cross_entropy": 1.0},
    ),
    "an ignored class, counted by the cross-entropy": (
        with_maps(entropy_over_all_voxels),
        NOTHING | {"ignore_index": (3,), "ignored_voxels": "counted"},
    ),
    "an ignored class that is left out of the mean": (
        with_maps(masked_without_its_class),
        IGNORING,
    ),
    "an ignored class without a channel": (
        with_maps(masked_and_renormalised),
        NOTHING | {"ignore_index": (3,), "ignored_voxels": "removed"},
    ),
    "ignored in the truth alone": (with_maps(masked_truth), NOTHING | {"ignore_index": ()}),
    "ignored before the softmax": (
        with_maps(masked_logits),
        NOTHING | {"ignore_index": (3,), "ignored_voxels": "counted"},
    ),
    "ignored in the overlap alone": (with_maps(masked_overlap), NOTHING | {"ignore_index": ()}),
}

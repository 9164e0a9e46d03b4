"""Losses that are nearly another one: what `identify` may not take for it.

Each is a function of logits or probabilities and one-hot truth, with what is true of it. A passport
may say so or say "unknown"; anything else is wrong.
"""

import torch
import torch.nn.functional as F

EPS = 1e-5
SPACE = (2, 3)


def softmax(z):
    return z.softmax(1)


def sums(p, y, norm=1):
    return (p * y).sum(SPACE), (p**norm).sum(SPACE), y.sum(SPACE)


def ratio(p, y, above=EPS, below=EPS, norm=1):
    i, v, t = sums(p, y, norm)
    return (2 * i + above) / (v + t + below)


def original(z, y):
    return 1 - ratio(softmax(z), y).mean()


def cross_entropy(z, y):
    return -(y * z.log_softmax(1)).sum(1).mean()


def floor(z, y):
    i, v, t = sums(softmax(z), y)
    return 1 - ((2 * i + EPS) / (v + t + EPS).clamp_min(2.5)).mean()


def detached(which):
    def loss(z, y):
        p = softmax(z)
        q = p.detach()
        i, v, t = (
            (q if which == "intersection" else p * 1.0) * y,
            q if which == "volume" else p,
            y,
        )
        bottom = v.sum(SPACE) + t.sum(SPACE) + EPS
        bottom = bottom.detach() if which == "denominator" else bottom
        return 1 - ((2 * i.sum(SPACE) + EPS) / bottom).mean()

    return loss


def weighted(z, y):
    parts = 1 - ratio(softmax(z), y)
    return (parts * parts.new_tensor([0.1, 1, 1, 1])).mean()


def masked_before_softmax(z, y):
    return original(z * (y[:, :1] == 0), y)


def masked_before_sigmoid(z, y):
    return 1 - ratio((z * (y[:, :1] == 0)).sigmoid(), y).mean()


def large_volume(z, y):
    i, v, t = sums(softmax(z), y)
    return 1 - ((2 * i + EPS) / (1.0001 * v + t + EPS)).mean()


def pooled(axes):
    def loss(z, y):
        p = softmax(z)[:, 1:]
        i, v, t = ((x).sum(axes) for x in (p * y[:, 1:], p, y[:, 1:]))
        return 1 - ((2 * i + EPS) / (v + t + EPS)).mean()

    return loss


def entropy_beside(factor):
    return lambda z, y: original(z, y) + factor * cross_entropy(z, y)


def entropy_of_foreground(z, y):
    return original(z, y) - (y[:, 1:] * z.log_softmax(1)[:, 1:]).sum(1).mean()


def smoothed_labels(z, y):
    return 1 - ratio(softmax(z), 0.95 * y + 0.05 / y.shape[1]).mean()


def present_only(z, y):
    r, there = ratio(softmax(z), y), y.sum(SPACE) > 0
    return (((1 - r) * there).sum(1) / there.sum(1)).mean()


def leaf(z, y):
    return 1 - (ratio(softmax(z), y) * (y.sum(SPACE) > 0)).mean()


def marginal(z, y):
    p, there = softmax(z), y.sum(SPACE) > 0
    there[:, 0] = True
    kept = p * there[..., None, None]
    kept = torch.cat([kept[:, :1] + (p - kept).sum(1, keepdim=True), kept[:, 1:]], 1)
    return 1 - (ratio(kept, y) * there).mean()


def tversky(z, y):
    i, v, t = sums(softmax(z), y)
    return 1 - ((i + EPS) / (i + 0.4 * (v - i) + 0.6 * (t - i) + EPS)).mean()


def worst_half(z, y):
    return (1 - ratio(softmax(z), y)).mean(0).topk(2).values.mean()


def noisy(z, y):
    return original(z + 0.05 * torch.randn_like(z), y)


def straight_through(z, y):
    p = softmax(z)
    return 1 - ratio(p + (p.round() - p).detach(), y).mean()


def epsilon_of_filled(z, y):
    i, v, t = sums(softmax(z), y)
    e = torch.where(t > 0, 0.5, 1e-3)
    return 1 - ((2 * i + e) / (v + t + e)).mean()


def without_a_corner(z, y):
    keep = torch.ones_like(z[:1, :1])
    keep[..., 0, 0] = 0
    return 1 - ratio(softmax(z) * keep, y * keep).mean()


BASE = {"phi": "I", "norm": "l1", "cross_entropy": 0.0, "background": True}
TWO = {"epsilon_numerator": EPS, "epsilon_denominator": EPS}
NOTHING = {"twin": "unknown"}

# name: (loss, what is true; keys that are not there must be "unknown" or as in the original)
MUTANTS = {
    "wrong epsilon": (
        lambda z, y: 1 - ratio(softmax(z), y, 3e-4, 3e-4).mean(),
        BASE | {"epsilon_numerator": 3e-4, "epsilon_denominator": 3e-4},
    ),
    "epsilon in the numerator only": (
        lambda z, y: 1 - ratio(softmax(z), y, 1e-3, 0).mean(),
        BASE | {"epsilon_numerator": 1e-3, "epsilon_denominator": 0.0},
    ),
    "epsilon in the denominator only": (
        lambda z, y: 1 - ratio(softmax(z), y, 0, 1e-3).mean(),
        BASE | {"epsilon_numerator": 0.0, "epsilon_denominator": 1e-3},
    ),
    "twice the epsilon above": (
        lambda z, y: 1 - ratio(softmax(z), y, 2e-5, 1e-5).mean(),
        BASE | {"epsilon_numerator": 2e-5, "epsilon_denominator": 1e-5},
    ),
    "swapped norm": (
        lambda z, y: 1 - ratio(softmax(z), y, norm=2).mean(),
        BASE | TWO | {"norm": "l2"},
    ),
    "cubes": (lambda z, y: 1 - ratio(softmax(z), y, norm=3).mean(), NOTHING),
    "clamped probabilities": (
        lambda z, y: 1 - ratio(softmax(z).clamp(1e-3, 1 - 1e-3), y).mean(),
        NOTHING,
    ),
    "probabilities clamped at a millionth": (
        lambda z, y: 1 - ratio(softmax(z).clamp(1e-6, 1 - 1e-6), y).mean(),
        NOTHING,
    ),
    "clamped logits": (lambda z, y: original(z.clamp(-3, 3), y), NOTHING),
    "clamped denominator": (floor, BASE | NOTHING),
    "detached denominator": (detached("denominator"), NOTHING),
    "detached intersection": (detached("intersection"), NOTHING),
    "detached volume": (detached("volume"), NOTHING),
    "background left out": (
        lambda z, y: 1 - ratio(softmax(z), y)[:, 1:].mean(),
        BASE | TWO | {"background": False},
    ),
    "background weighs a tenth": (weighted, BASE | TWO | {"weights": (0.1, 1.0, 1.0, 1.0)}),
    "masked before softmax": (masked_before_softmax, NOTHING),
    "masked before the sigmoid": (masked_before_sigmoid, NOTHING),
    "a volume that is 1e-4 too large": (large_volume, NOTHING),
    "a temperature of 2": (lambda z, y: original(2 * z, y), NOTHING),
    "BI": (pooled((0, *SPACE)), BASE | TWO | {"phi": "BI", "background": False}),
    "CI": (pooled((1, *SPACE)), BASE | TWO | {"phi": "CI", "background": False}),
    "BCI": (pooled((0, 1, *SPACE)), BASE | TWO | {"phi": "BCI", "background": False}),
    "a third of cross-entropy": (entropy_beside(0.3), BASE | TWO | {"cross_entropy": 0.3}),
    "a trace of cross-entropy": (entropy_beside(1e-3), BASE | TWO | {"cross_entropy": 1e-3}),
    "cross-entropy of the foreground": (
        entropy_of_foreground,
        BASE | TWO | {"cross_entropy": "unknown"},
    ),
    "smoothed labels": (smoothed_labels, NOTHING),
    "logarithm": (lambda z, y: -ratio(softmax(z), y).log().mean(), NOTHING),
    "square": (lambda z, y: (1 - ratio(softmax(z), y)).square().mean(), NOTHING),
    "power of 3/4": (lambda z, y: (1 - ratio(softmax(z), y)).pow(0.75).mean(), NOTHING),
    "present classes only": (present_only, BASE | {"mean": "dropped_per_image"}),
    "leaf": (leaf, BASE | {"mean": "leaf", "empty_map": "ignored"}),
    "marginal": (marginal, BASE | {"mean": "merged", "empty_map": "background"}),
    "tversky": (tversky, BASE | {"alpha": 0.4, "beta": 0.6, "shape": "tversky"}),
    "worst half of the classes": (worst_half, NOTHING),
    "noise": (noisy, NOTHING),
    "straight through": (straight_through, NOTHING),
    "epsilon by volume": (epsilon_of_filled, BASE),
    "labels the other way round": (lambda z, y: original(z, y.flip(1)), NOTHING),
    "labels the other way round, with a sigmoid": (  # with one channel nothing is to be seen
        lambda z, y: 1 - ratio(z.sigmoid(), y.flip(1)).mean(),
        NOTHING,
    ),
    "a voxel left out": (without_a_corner, NOTHING),
    "half precision": (
        lambda z, y: 1 - ratio(F.softmax(z.half().double(), 1), y).mean(),
        NOTHING,
    ),
}

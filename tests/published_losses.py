"""Published losses of prediction and truth, written out from their paper or released code.

Each takes logits (V-Net and Dicegrad's releases: probabilities) of shape (B, C, *spatial), in any
number of axes, and one-hot maps of the same shape; those of label sets take labels (B, *spatial).
One with a mask takes it after these, and counts everything without it. What they are is the table
of docs/published-implementations.md.
"""

import torch
import torch.nn.functional as F

SET = (1, 3)  # of the losses of label sets: a voxel labelled 4 is class 1 or class 3


def sums(*maps):
    """Each over space: shape (B, C)."""
    return [each.flatten(2).sum(2) for each in maps]


def per_map(values, like):
    """Values (B, C) beside maps (B, C, *spatial)."""
    return values.reshape(*values.shape, *[1] * (like.ndim - 2))


def maps_of(y, channels):
    """One-hot maps of labels (B, *spatial); other labels are in none."""
    return torch.stack([y == label for label in range(channels)], 1).double()


class _VNet(torch.autograd.Function):
    """Value and gradient as the paper writes them, each for itself."""

    @staticmethod
    def forward(ctx, p, g):
        ctx.save_for_backward(p, g)
        inter, below = sums(p * g, p * p + g * g)
        return 1 - (2 * inter / below).mean()

    @staticmethod
    def backward(ctx, factor):
        p, g = ctx.saved_tensors
        inter, below = (per_map(each, p) for each in sums(p * g, p * p + g * g))
        derivative = 2 * (g * below - 2 * p * inter) / below**2
        return -factor * derivative / len(p), None


def vnet(p, g):
    """V-Net, Milletari et al. 2016: D = 2 sum p g / (sum p^2 + sum g^2), one map per volume.

    dD/dp = 2 [g (sum p^2 + sum g^2) - 2 p sum p g] / (sum p^2 + sum g^2)^2
    """
    if p.shape[1] != 1:
        raise ValueError(f"V-Net has one map per volume, not {p.shape[1]}")
    return _VNet.apply(p, g)


def deepmedic(logits, truth):
    """`dsc`: (2 sum p y + 1e-5) / (sum p + sum y + 1e-5) over (batch, space), of all classes."""
    p = logits.softmax(1)
    inter, pred, true = (each.sum(0) for each in sums(p * truth, p, truth))
    return 1 - ((2 * inter + 1e-5) / (pred + true + 1e-5)).mean()


def niftynet(logits, truth):
    """Sudre et al. 2017 as in NiftyNet: a volume's classes weigh 1 / size^2, absent ones most."""
    p, total = logits.softmax(1), 0.0
    inter, pred, true = sums(p * truth, p, truth)
    for b in range(len(p)):
        weight = 1 / true[b] ** 2
        weight = torch.where(weight.isinf(), weight[weight.isfinite()].max(), weight)
        below = (weight * (pred[b] + true[b]).clamp_min(1)).sum()
        total = total + 1 - 2 * (weight * inter[b]).sum() / below
    return total / len(p)


def nnunet(logits, truth, mask=None, *, batch_dice, background=False, sigmoid=False):
    """MemoryEfficientSoftDiceLoss 2.8.1: -(2 sum m y p + s) / (sum m p + sum m y + s)."""
    first = 0 if background else 1
    p = (logits.sigmoid() if sigmoid else logits.softmax(1))[:, first:]
    truth, m = truth[:, first:], 1 if mask is None else mask[:, None]
    inter, pred, true = sums(p * truth * m, p * m, truth * m)
    if batch_dice:
        inter, pred, true = inter.sum(0), pred.sum(0), true.sum(0)
    return -((2 * inter + 1e-5) / (pred + true + 1e-5).clamp_min(1e-8)).mean()


def deepvoxnet2(logits, truth, *, phi):
    """Eq. 3 of the paper: (2 I + 1e-7) / (P + T + 1e-7) of each of phi's subsets, their mean."""
    p = logits.softmax(1)
    inter, pred, true = sums(p * truth, p, truth)
    if "B" in phi:
        inter, pred, true = (each.sum(0, keepdim=True) for each in (inter, pred, true))
    if "C" in phi:
        inter, pred, true = (each.sum(1, keepdim=True) for each in (inter, pred, true))
    return 1 - ((2 * inter + 1e-7) / (pred + true + 1e-7)).mean()


def dicegrad_leaf(p, truth):
    """The form of the release: foreground, epsilon below only, absent classes count 0."""
    total = p.new_zeros(())
    for b in range(p.shape[0]):
        for c in range(1, p.shape[1]):
            if truth[b, c].sum() > 0:
                volumes = p[b, c].sum() + truth[b, c].sum()
                total = total + 2 * (p[b, c] * truth[b, c]).sum() / (volumes + 1e-7)
    return 1 - total / (p.shape[0] * (p.shape[1] - 1))


def dicegrad_marginal(p, truth):
    """The form of the release: absent classes join the background, which is in the mean."""
    total = 0.0
    for b in range(p.shape[0]):
        missing = [c for c in range(1, p.shape[1]) if truth[b, c].sum() == 0]
        background = p[b, 0] + sum((p[b, c] for c in missing), torch.zeros_like(p[b, 0]))
        for c in range(p.shape[1]):
            if c in missing:
                continue
            merged = background if c == 0 else p[b, c]
            twice = 2 * (merged * truth[b, c]).sum() + 1e-7
            total += twice / (merged.sum() + truth[b, c].sum() + 1e-7)
    return 1 - total / (p.shape[0] * p.shape[1])


def everything(logits):
    """`annotated` where every class is annotated in every case."""
    return torch.ones(logits.shape[:2], dtype=torch.bool)


def multitalent_dice(logits, truth, annotated=None):
    """MultiTalent_Trainer_DDP.compute_loss: sigmoid regions, of a class its annotated maps.

    The voxels of one annotated map after the other enter TP, FP and FN of its class over the batch.
    """
    annotated = everything(logits) if annotated is None else annotated
    p, total = logits.sigmoid(), 0.0
    for c in range(p.shape[1]):
        a, b = p[annotated[:, c], c], truth[annotated[:, c], c]
        tp, fp, fn = (a * b).sum(), (a * (1 - b)).sum(), ((1 - a) * b).sum()
        total = total - 2 * tp / (2 * tp + fp + fn)
    return total


def multitalent_bce(logits, truth, annotated=None):
    """Its binary cross-entropy, over the same voxels."""
    annotated = everything(logits) if annotated is None else annotated
    terms = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return terms[annotated].mean()


def _dice_with_one_below(logits, truth):
    """2 I / (P + T + 1) of each map, shape (B, C)."""
    p = logits.sigmoid()
    inter, pred, true = sums(p * truth, p, truth)
    return 2 * inter / (pred + true + 1)


def dodnet(logits, truth, annotated=None):
    """DiceLoss4MOTS and CELoss4MOTS: maps labelled -1 drop out, smooth 1 stands below only."""
    annotated = everything(logits) if annotated is None else annotated
    terms = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    each = 1 - _dice_with_one_below(logits, truth) + terms.flatten(2).mean(2)
    classes = [c for c in range(each.shape[1]) if annotated[:, c].any()]
    return torch.stack([each[annotated[:, c], c].mean() for c in classes]).mean()


def universal_model_dice(logits, truth, annotated=None):
    """CLIP-Driven Universal Model: the mean over the maps in the list of the data set."""
    annotated = everything(logits) if annotated is None else annotated
    return (1 - _dice_with_one_below(logits, truth))[annotated].mean()


def universal_model_bce(logits, truth, annotated=None):
    """Its binary cross-entropy, the mean of those of the same maps."""
    annotated = everything(logits) if annotated is None else annotated
    terms = [
        F.binary_cross_entropy_with_logits(logits[b, c], truth[b, c])
        for b, c in annotated.nonzero().tolist()
    ]
    return torch.stack(terms).mean()


def shi(logits, truth, annotated=(1, 3)):
    """Shi et al. 2021, with the list of the annotated classes of the batch.

    Cross-entropy and Dice of merged probabilities, and twice the negative Dice loss of p and 1 - y.
    """
    p, wanted = logits.softmax(1), list(annotated)
    rest = [c for c in range(p.shape[1]) if c not in wanted]
    q = torch.cat([p[:, rest].sum(1, keepdim=True), p[:, wanted]], 1)
    t = torch.cat([truth[:, rest].sum(1, keepdim=True), truth[:, wanted]], 1)
    inter, pred, true = sums(q * t, q, t)
    dice = 2 * inter / (pred + true)
    inter, pred, true = sums(p * (1 - truth), p, 1 - truth)
    apart = 2 * inter / (pred + true)
    exclusion = -(1 - apart[:, wanted].mean())
    return -(t * q.log()).sum(1).mean() + 1 - dice.mean() + 2 * exclusion


def fidon_dice(p, truth):
    """Fidon et al. 2021: squares in the denominator, 1e-5 there alone."""
    inter, pred, true = sums(p * truth, p * p, truth * truth)
    return 1 - (2 * inter / (pred + true + 1e-5)).mean()


def fidon_leaf(logits, truth):
    """A set has no map of its own: 0 in all of them at its voxels."""
    return fidon_dice(logits.softmax(1), truth)


def fidon_shared(logits, y):
    """Classes of a set share their mean probability at its voxels, and 1 / size as the truth."""
    p, truth = logits.softmax(1), maps_of(y, logits.shape[1])
    inside = torch.zeros_like(p)
    inside[:, list(SET)] = (y == 4).to(p.dtype)[:, None]
    mean = p[:, list(SET)].mean(1, keepdim=True)
    return p * (1 - inside) + inside * mean, truth + inside / len(SET)


def fidon_marginal(logits, y):
    """The same Dice of these."""
    return fidon_dice(*fidon_shared(logits, y))


def fidon_cross_entropy(logits, y):
    """-log of the mean of p over the set, instead of its sum: log 2 more at each of its voxels."""
    p = logits.softmax(1)
    mean = p[:, list(SET)].mean(1)
    own = (p * maps_of(y, p.shape[1])).sum(1)
    return -torch.where(y == 4, mean, own).log().mean()


def jdt(logits, truth, mask=None, *, alpha=1.0, beta=1.0):
    """Wang et al.: TP = (|p| + |y| - |p - y|) / 2, so that soft labels are best met by p = y."""
    p, m = logits.softmax(1), 1 if mask is None else mask[:, None]
    difference, pred, true = sums((p - truth).abs() * m, p * m, truth * m)
    tp = (pred + true - difference) / 2
    index = (tp + 1e-3) / (tp + alpha * (pred - tp) + beta * (true - tp) + 1e-3)
    return 1 - index.mean()

"""How hard a loss pushes on every map of a batch, from the sums that it is made of.

A Dice loss has two derivatives in a map (Eq. 4), one on true voxels and one on all others, and the
cross-entropy has p - y by the logits. So the size of the gradient in a map follows from the
intersection, the predicted and the true volume, without a look at the gradient itself.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dicegrad.errors import InputError
from dicegrad.losses.cross_entropy import CrossEntropyLoss
from dicegrad.losses.dice import DiceLoss
from dicegrad.losses.dice_ce import DiceCELoss
from dicegrad.losses.inputs import Activation
from dicegrad.losses.masks import EVERYTHING, Masks
from dicegrad.losses.reduction import loss_and_coefficients
from dicegrad.losses.sums import overlap_sums


@dataclass(frozen=True)
class MapPush:
    """What a loss does to each map of a batch; every tensor is (B, C).

    Attributes:
        push: Size of the gradient: of a Dice term, the sum over voxels of p |dL/dp|; of a
            cross-entropy term, the sum of |dL/dz| by the logit z of the map.
        predicted: Sum of p, in voxels.
        true: True voxels.
        annotated: Whether the map is annotated, bool.
    """

    push: Tensor
    predicted: Tensor
    true: Tensor
    annotated: Tensor


@torch.no_grad()
def map_push(
    loss: nn.Module,
    y_pred: Tensor,
    y: Tensor,
    annotated: Tensor | None = None,
    mask: Tensor | None = None,
) -> MapPush:
    """The push of a loss on every map, its channel 0 included.

    Under "marginal" a map that is not annotated is pushed where another class is labelled, and
    pulled where background is; of the cross-entropy's part only the former is counted.

    Args:
        loss: A `DiceLoss`, `CrossEntropyLoss` or `DiceCELoss` that `can_be_measured`.
        y_pred: As for the loss, shape (B, C, *spatial).
        y: Label map of shape (B, *spatial) or (B, 1, *spatial).
        annotated: As for the loss.
        mask: As for the loss.

    Raises:
        InputError: The loss is another one, or the input does not fit it.
    """
    terms = _terms(loss)
    read = [term.masks.read(y_pred, y, annotated, mask) for term, _ in terms]
    truth, masks = read[0]
    activation = terms[0][0].activation
    sums = overlap_sums(y_pred, truth, activation, "l1", replace(masks, into=None))
    hit, predicted, true = sums
    known = torch.ones_like(hit, dtype=torch.bool)
    if annotated is not None:
        known[:, known.shape[1] - annotated.shape[1] :] = annotated.to(known.device)
    if any(each.into is not None for _, each in read):  # what is not annotated is background
        background = _on_background(y_pred, truth, activation, masks)
        hit = torch.where(known, hit, background)
    maps = _Maps(y_pred, hit, predicted, true, known)
    pushes = []
    for (term, factor), (labels, own) in zip(terms, read, strict=True):
        if isinstance(term, DiceLoss):
            pushes.append(factor * _of_dice(term, maps, labels, own))
        else:
            pushes.append(factor * _of_cross_entropy(term, maps, labels, own))
    return MapPush(sum(pushes[1:], start=pushes[0]), predicted, true, known)


def can_be_measured(loss: object) -> bool:
    """Whether `map_push` takes this loss."""
    try:
        _terms(loss)
    except InputError:
        return False
    return True


def _terms(loss: object) -> list[tuple[DiceLoss | CrossEntropyLoss, float]]:
    if isinstance(loss, DiceCELoss):
        found = [(loss.dice, loss.dice_factor), (loss.cross_entropy, loss.ce_factor)]
        return [each for term, factor in found for each in [(_known(term), factor)] if factor]
    return [(_known(loss), 1.0)]


def _known(term: object) -> DiceLoss | CrossEntropyLoss:
    """The term itself, if its push follows from the sums."""
    if type(term) is DiceLoss:
        if term.norm == "l1" and term.reduction.output == "mean" and not term.masks.label_sets:
            return term
    elif type(term) is CrossEntropyLoss:
        plain = term.weight is None and not term.label_smoothing and not term.gamma
        if plain and term.top_k == 1 and term.output == "mean" and not term.label_sets:
            return term
    raise InputError(
        f"the push of {term} does not follow from the sums; measured are DiceLoss with norm 'l1' "
        "and reduction 'mean', plain CrossEntropyLoss, and their sum DiceCELoss, each without "
        "label_sets"
    )


@dataclass(frozen=True)
class _Maps:
    """A batch as the terms need it; all but the prediction are (B, C)."""

    y_pred: Tensor
    hit: Tensor  # predicted on true voxels; in a map that is not annotated, on background
    predicted: Tensor
    true: Tensor
    known: Tensor


def _of_dice(term: DiceLoss, maps: _Maps, truth: Tensor, masks: Masks) -> Tensor:
    """Sum of p |dL/dp|: the two values of Eq. 4, each times what is predicted on its voxels."""
    sums = torch.stack([maps.hit, maps.predicted, maps.true])
    if masks.into is not None:
        sums = overlap_sums(maps.y_pred, truth, term.activation, "l1", masks)
    # Every process sees its own maps; what the others hold changes no share among those.
    reduction = replace(term.reduction, process_group=None)
    _, (slope, level) = loss_and_coefficients(sums, reduction, masks.share)
    if masks.into is not None:  # a merged map has the gradient of what it joins
        slope, level = slope.gather(1, masks.into), level.gather(1, masks.into)
    return (slope + level).abs() * maps.hit + level.abs() * (maps.predicted - maps.hit)


def _of_cross_entropy(term: CrossEntropyLoss, maps: _Maps, truth: Tensor, masks: Masks) -> Tensor:
    """Sum of |p - y| over the voxels, by the number of terms in the mean."""
    if masks is EVERYTHING:
        counted = maps.y_pred[:, 0] if term.activation == "softmax" else maps.y_pred
        return (maps.true + maps.predicted - 2 * maps.hit) / counted.numel()
    kept = masks.kept(truth)
    voxels = torch.full_like(maps.true[:, :1], maps.y_pred[0, 0].numel())
    if kept is not None:
        voxels = kept.flatten(1).sum(1, keepdim=True).to(voxels.dtype)
    missed = maps.predicted - maps.hit
    pull = torch.where(maps.known, maps.true - maps.hit, 0.0)
    if masks.share is None:
        share = torch.ones_like(voxels if term.activation == "softmax" else maps.true)
    else:  # with a softmax a case takes part if any of its maps does
        share = masks.share
        share = share.amax(1, keepdim=True) if term.activation == "softmax" else share
    return (pull + missed) * share / (voxels * share).sum().clamp_min(1)


def _on_background(
    y_pred: Tensor, truth: Tensor, activation: Activation | None, masks: Masks
) -> Tensor:
    """What every map predicts where background is labelled, (B, C)."""
    kept = masks.kept(truth)
    background = truth == 0 if kept is None else (truth == 0) & kept
    maps = background.unsqueeze(1).expand(y_pred.shape).to(y_pred.dtype)
    hit, _, _ = overlap_sums(y_pred, maps, activation, "l1", EVERYTHING)
    return hit

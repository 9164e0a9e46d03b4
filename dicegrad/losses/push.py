"""How hard a loss pushes on every map of a batch, from the sums that it is made of.

A Dice loss has two derivatives in a map (Eq. 4), one on true voxels and one on all others, and the
cross-entropy has p - y by the logits. So the size of the gradient in a map follows from the
intersection, the predicted and the true volume, without a look at the gradient itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dicegrad.losses.dice import DiceLoss
from dicegrad.losses.inputs import as_truth
from dicegrad.losses.masks import Masks
from dicegrad.losses.push_terms import Terms, terms_of
from dicegrad.losses.reduction import loss_and_coefficients
from dicegrad.losses.sums import overlap_sums, probabilities


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


@dataclass(frozen=True)
class MapSums:
    """What the push on the maps of a batch follows from: a handful of numbers per map.

    Attributes:
        sums: (3, B, C): what is predicted on true voxels, predicted in all, and true. Of a map
            that is not annotated and joins the background, the first is predicted on background.
        coefficients: (2, B, C), of the Dice term (Eq. 4): on true voxels its derivative is their
            sum, on all others the second. None without such a term.
        annotated: (B, C) bool; None is all of them.
        scale: What a voxel counts in the cross-entropy, one number or (B, C); None without it.
    """

    sums: Tensor
    coefficients: Tensor | None
    annotated: Tensor | None
    scale: Tensor | float | None

    def push(self) -> MapPush:
        """The push on every map."""
        hit, predicted, true = self.sums
        known = _known_maps(self)
        missed, push = predicted - hit, torch.zeros_like(hit)
        if self.coefficients is not None:
            slope, level = self.coefficients
            push = push + (slope + level).abs() * hit + level.abs() * missed
        if self.scale is not None:  # the sum of |p - y| over the voxels
            push = push + (torch.where(known, true - hit, 0.0) + missed) * self.scale
        return MapPush(push, predicted, true, known)


def join(steps: Sequence[MapSums]) -> MapSums:
    """The maps of several batches of one loss as if of one batch."""
    coefficients = [each.coefficients for each in steps if each.coefficients is not None]
    scales = [_scales(each) for each in steps if each.scale is not None]
    return MapSums(
        torch.cat([each.sums for each in steps], 1),
        torch.cat(coefficients, 1) if coefficients else None,
        torch.cat([_known_maps(each) for each in steps]),
        torch.cat(scales) if scales else None,
    )


def _known_maps(step: MapSums) -> Tensor:
    if step.annotated is None:
        return torch.ones_like(step.sums[0], dtype=torch.bool)
    return step.annotated


def _scales(step: MapSums) -> Tensor:
    if isinstance(step.scale, Tensor):
        return step.scale.expand_as(step.sums[0])
    return torch.full_like(step.sums[0], step.scale or 0.0)


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
        loss: A `DiceLoss`, `CrossEntropyLoss` or `DiceCELoss` that `push_terms.can_be_measured`.
        y_pred: As for the loss, shape (B, C, *spatial).
        y: Label map of shape (B, *spatial) or (B, 1, *spatial).
        annotated: As for the loss.
        mask: As for the loss.

    Raises:
        InputError: The loss is another one, or the input does not fit it.
    """
    return map_sums(loss, y_pred, y, annotated, mask).push()


@torch.no_grad()
def map_sums(
    loss: nn.Module,
    y_pred: Tensor,
    y: Tensor,
    annotated: Tensor | None = None,
    mask: Tensor | None = None,
) -> MapSums:
    """What `map_push` follows from; arguments and errors are its own.

    Where the Dice term has just been given these very tensors, and its attribute `seen` is set,
    the voxels are not read a second time.
    """
    terms = terms_of(loss)
    seen = None
    if terms.dice is not None and terms.dice.seen is not None:
        seen = terms.dice.seen.of(y_pred, y, annotated, mask)
    if annotated is None and mask is None and terms.masks.ignore_index is None and seen is not None:
        each = terms.ce_factor / _counted(terms, y_pred) if terms.entropy is not None else None
        return MapSums(seen[0], _times(seen[1], terms.dice_factor), None, each)
    if seen is None:
        truth, masks = terms.masks.read(y_pred, y, annotated, mask)
    else:
        truth, masks = as_truth(y_pred, y), seen[2]
    sums = seen[0] if seen is not None and masks.into is None else None
    if sums is None:
        sums = overlap_sums(y_pred, truth, terms.masks.activation, "l1", masks._replace(into=None))
    coefficients = None
    if terms.dice is not None:
        found = _coefficients(terms.dice, y_pred, truth, sums, masks) if seen is None else seen[1]
        coefficients = _times(_spread(found, masks), terms.dice_factor)
    known = None
    if annotated is not None:
        known = torch.ones_like(sums[0], dtype=torch.bool)
        known[:, known.shape[1] - annotated.shape[1] :] = annotated.to(known.device)
        if masks.into is not None or (terms.entropy is not None and terms.softmax):
            sums = _with_background(sums, known, y_pred, truth, masks, terms.masks.activation)
    scale = None
    if terms.entropy is not None:
        scale = terms.ce_factor * _scale(terms, sums, known, y_pred, masks.kept(truth))
    return MapSums(sums, coefficients, known, scale)


def _times(coefficients: Tensor, factor: float) -> Tensor:
    return coefficients if factor == 1 else coefficients * factor


def _coefficients(
    term: DiceLoss, y_pred: Tensor, truth: Tensor, sums: Tensor, masks: Masks
) -> Tensor:
    """Eq. 4 of the Dice term, with the sums of its own masks."""
    own = sums.clone()
    if masks.into is not None:
        own = overlap_sums(y_pred, truth, term.activation, "l1", masks)
    # Every process sees its own maps; what the others hold changes no share among those.
    reduction = replace(term.reduction, process_group=None)
    return loss_and_coefficients(own, reduction, masks.share)[1]


def _spread(coefficients: Tensor, masks: Masks) -> Tensor:
    """A merged map has the gradient of what it joins."""
    if masks.into is None:
        return coefficients
    return coefficients.gather(2, masks.into.expand_as(coefficients))


def _counted(terms: Terms, y_pred: Tensor) -> int:
    """How many terms the mean of the cross-entropy has where nothing is left out."""
    return y_pred.numel() // (y_pred.shape[1] if terms.softmax else 1)


def _scale(
    terms: Terms, sums: Tensor, known: Tensor | None, y_pred: Tensor, kept: Tensor | None
) -> Tensor | float:
    """What a voxel counts in the mean of the cross-entropy; a tensor of (B, 1) or (B, C)."""
    if kept is None and known is None:
        return 1 / _counted(terms, y_pred)
    share = sums.new_ones(len(y_pred), 1 if terms.softmax else y_pred.shape[1])
    if known is not None:  # with a softmax a case takes part if any of its classes does
        share = known[:, 1:].any(1, keepdim=True) if terms.softmax else known
        share = share.to(sums.dtype)
    if kept is None:
        return share / (y_pred[0, 0].numel() * share.sum()).clamp_min(1)
    voxels = kept.flatten(1).sum(1, keepdim=True).to(sums.dtype)
    return share / (voxels * share).sum().clamp_min(1)


def _with_background(
    sums: Tensor,
    known: Tensor,
    y_pred: Tensor,
    truth: Tensor,
    masks: Masks,
    activation: str | None,
) -> Tensor:
    """The sums, where the first of a map that is not annotated is predicted on background."""
    kept = masks.kept(truth)
    labelled = truth != 0 if truth.ndim < y_pred.ndim else truth[:, 0] < 0.5
    if kept is not None:
        labelled = labelled & kept
    missed = torch.zeros_like(sums[0])
    if known.device.type == "cpu":  # labelled voxels are few
        for case in (~known.all(1)).nonzero().flatten().tolist():
            voxels = y_pred[case].flatten(1)[:, labelled[case].flatten()]
            missed[case] = probabilities(voxels[None], activation)[0].to(sums.dtype).sum(1)
    else:  # to look for them would be to wait
        _, missed, _ = overlap_sums(y_pred, truth, activation, "l1", Masks(mask=labelled))
    hit = torch.where(known, sums[0], sums[1] - missed)
    return torch.stack([hit, sums[1], sums[2]])

"""Cross-entropy from logits, with weights, masks, and the forms that are used beside Dice."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dicegrad.errors import InputError
from dicegrad.losses.inputs import (
    Activation,
    PerClass,
    check_choice,
    check_labels,
    check_length,
    check_weight,
    first_channel,
)
from dicegrad.losses.label_sets import LabelSets, check_sets_fit
from dicegrad.losses.masks import Masks, MaskSettings, Unannotated, make_mask_settings
from dicegrad.losses.reduction import Output, inverse
from dicegrad.losses.voxel_losses import label_maps, sigmoid_terms, softmax_terms


class CrossEntropyLoss(nn.Module):
    """Mean cross-entropy over the voxels, from logits.

    Args:
        activation: "softmax" (one distribution over the channels) or "sigmoid" (one per channel).
        weight: One factor of at least 0 per channel, or None. With "softmax" the mean is divided by
            the weights of the voxels, as in torch; with "sigmoid" a factor scales the foreground
            term of its channel.
        ignore_index: A value of the label map whose voxels are ignored.
        unannotated: What a map that is not annotated is, "ignored" or "marginal". Both are the
            same here. With "softmax" a voxel labelled background, in a case whose classes U are not
            annotated, costs -log q, q = p_0 + sum of p_c over U; with "sigmoid" only the terms of
            annotated maps are left.
        label_sets: Values of the label map that stand for a set of channels, as in
            ``{255: (1, 3)}``: such a voxel costs -log of the sum of their probabilities. With
            "softmax" only.
        label_smoothing: Share of the truth, in [0, 1), that is spread evenly over the classes, as
            in torch.
        gamma: Exponent of the focal factor (1 - q)^gamma of each term (Lin et al. 2017), at least
            0; q is the probability of the true label. 0 is no factor.
        top_k: Share of the terms, in (0, 1], that the mean is over: the largest ones.
        reduction: "mean" over the voxels that count, "sum", or "none" for every term by itself.

    Raises:
        InputError: If a setting is not allowed.
    """

    def __init__(
        self,
        *,
        activation: Activation = "softmax",
        weight: PerClass | None = None,
        ignore_index: int | None = None,
        unannotated: Unannotated = "ignored",
        label_sets: LabelSets | None = None,
        label_smoothing: float = 0.0,
        gamma: float = 0.0,
        top_k: float = 1.0,
        reduction: Output = "mean",
    ) -> None:
        super().__init__()
        check_choice("activation", activation, ("softmax", "sigmoid"))
        check_choice("unannotated", unannotated, ("ignored", "marginal"))
        check_choice("reduction", reduction, ("mean", "sum", "none"))
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing is {label_smoothing!r}; it must be in [0, 1)")
        if not 0 <= gamma < math.inf:
            raise InputError(f"gamma is {gamma!r}; it must be finite and at least 0")
        if not 0 < top_k <= 1:
            raise InputError(f"top_k is {top_k!r}; it must be above 0 and at most 1, a share")
        if top_k < 1 and reduction != "mean":
            raise InputError(f"top_k is {top_k!r} with reduction {reduction!r}: it needs 'mean'")
        joins = "marginal" if activation == "softmax" else "ignored"
        settings = make_mask_settings(
            activation, True, ignore_index, "marginal" if label_sets else joins, label_sets
        )
        # The sets are read voxel by voxel here, not case by case as for Dice.
        self.masks = MaskSettings(activation, True, settings.ignore_index, joins)
        self.label_sets = settings.label_sets
        self.activation, self.weight = activation, check_weight(weight, "I")
        self.label_smoothing, self.gamma = float(label_smoothing), float(gamma)
        self.top_k, self.output = float(top_k), reduction

    def forward(
        self,
        y_pred: Tensor,
        y: Tensor,
        annotated: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        case_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, at least 0; 0 with gradient 0 where no voxel is left.

        Args:
            y_pred: Logits of shape (B, C, *spatial).
            y: As for `DiceLoss.forward`.
            annotated: Which maps are annotated, as for `DiceLoss.forward`.
            mask: 0 where a voxel is ignored, as for `DiceLoss.forward`.
            case_weight: How often each case counts, as for `DiceLoss.forward`.

        Returns:
            A scalar; with ``reduction="none"`` shape (B, *spatial) for "softmax", (B, C, *spatial)
            for "sigmoid", 0 where a term does not count.

        Raises:
            InputError: As for `DiceLoss.forward`.
        """
        first_channel(y_pred, self.activation, True)
        check_length("weight", self.weight, y_pred.shape[1], y_pred.shape[1])
        truth, masks = self.masks.read(y_pred, y, annotated, mask, case_weight)
        kept = masks.kept(truth)
        if self.label_sets is not None:
            check_sets_fit(y_pred, truth, self.label_sets)
            for label, members in self.label_sets.items():
                if len(members) == y_pred.shape[1]:  # of such a voxel nothing is known
                    kept = truth != label if kept is None else kept & (truth != label)
        if not torch.compiler.is_compiling():
            self._check_labels(y_pred, truth, kept)
        half = y_pred.dtype in (torch.float16, torch.bfloat16)
        logits = y_pred.float() if half else y_pred
        weight = None if self.weight is None else logits.new_tensor(self.weight)
        if kept is None and masks.share is None and self._plain():
            return self._torch(logits, truth, weight)
        if kept is not None:
            there = kept if truth.ndim < logits.ndim else kept.unsqueeze(1)
            truth = truth.masked_fill(~there, 0)
            logits = logits.masked_fill(~kept.unsqueeze(1), 0)  # whatever the network says there
        if self.activation == "softmax":
            terms, divisor, log_q = softmax_terms(
                logits, truth, masks.into, self.label_sets, weight, self.label_smoothing
            )
        else:
            terms, log_q = sigmoid_terms(logits, truth, weight, self.label_smoothing)
            divisor = None
        if self.gamma:
            terms = terms * (-torch.expm1(log_q)).clamp_min(0) ** self.gamma
        return self._reduce(terms, divisor, self._counts(terms, masks, kept))

    def _plain(self) -> bool:
        """Whether torch's own cross-entropy is all that is wanted."""
        usual = self.gamma == 0 and self.top_k == 1 and self.output == "mean"
        smooth = self.label_smoothing > 0 and self.activation == "sigmoid"
        return usual and self.label_sets is None and not smooth

    def _torch(self, logits: Tensor, truth: Tensor, weight: Tensor | None) -> Tensor:
        if self.activation == "softmax":
            target = truth.long() if truth.ndim < logits.ndim else truth.to(logits.dtype)
            return F.cross_entropy(logits, target, weight, label_smoothing=self.label_smoothing)
        if weight is not None:
            weight = weight.reshape(-1, *[1] * (logits.ndim - 2))
        maps = label_maps(truth, logits)
        return F.binary_cross_entropy_with_logits(logits, maps, pos_weight=weight)

    def _check_labels(self, y_pred: Tensor, y: Tensor, kept: Tensor | None) -> None:
        for label in self.label_sets or ():
            kept = y != label if kept is None else kept & (y != label)
        check_labels(y_pred, y, kept)

    def _counts(self, terms: Tensor, masks: Masks, kept: Tensor | None) -> Tensor | None:
        """How often every term counts, of a shape that broadcasts to theirs; None is once."""
        share = masks.share
        if share is not None:
            if self.activation == "softmax":  # a case takes part if any of its maps does
                share = share.amax(1)
            share = share.to(terms.dtype)
            share = share.reshape(*share.shape, *[1] * (terms.ndim - share.ndim))
        if kept is None:
            return share
        there = (kept if terms.ndim == kept.ndim else kept.unsqueeze(1)).to(terms.dtype)
        return there if share is None else there * share

    def _reduce(self, terms: Tensor, divisor: Tensor | None, counts: Tensor | None) -> Tensor:
        if counts is not None:
            counts = counts.expand_as(terms)
            terms = terms * counts
        if self.output == "none":
            return terms
        if self.output == "sum":
            return terms.sum()
        if self.top_k < 1:
            terms, counts, divisor = _largest(terms, counts, divisor, self.top_k)
        if divisor is not None:
            counts = divisor if counts is None else counts * divisor
        return terms.mean() if counts is None else terms.sum() * inverse(counts.sum())

    def extra_repr(self) -> str:
        """Show the settings in the module's text; seldom used ones only where they are used."""
        seldom = {
            "ignore_index": (self.masks.ignore_index, None),
            "label_sets": (self.label_sets, None),
            "label_smoothing": (self.label_smoothing, 0),
            "gamma": (self.gamma, 0),
            "top_k": (self.top_k, 1),
            "reduction": (self.output, "mean"),
        }
        used = [f", {name}={value!r}" for name, (value, usual) in seldom.items() if value != usual]
        return f"activation={self.activation!r}, weight={self.weight}" + "".join(used)


def _largest(
    terms: Tensor, counts: Tensor | None, divisor: Tensor | None, share: float
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The given share of the terms that count, at least one, and what belongs to them."""
    number = terms.numel() if counts is None else int(torch.count_nonzero(counts))
    number = min(max(int(number * share), 1), terms.numel())
    terms, where = terms.flatten().topk(number, sorted=False)
    counts = None if counts is None else counts.flatten()[where]
    return terms, counts, None if divisor is None else divisor.flatten()[where]

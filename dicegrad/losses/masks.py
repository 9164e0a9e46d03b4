"""Which maps and voxels of a batch are annotated, and what the rest of them means to a loss.

A map that is not annotated, and a voxel that is ignored, leave every sum. Where the channels are
one distribution there is one thing more: at a voxel labelled background, in a case whose classes U
are not annotated, the label is "background or one of U". The probability of that is
q = p_0 + sum of p_c over U, and q takes the place of the background's map.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from dicegrad.errors import InputError
from dicegrad.losses.inputs import as_plain, as_truth, check_choice
from dicegrad.losses.label_sets import LabelSets, check_label_sets, join_sets

Unannotated = Literal["ignored", "marginal"]


class Masks(NamedTuple):
    """What is left out of a batch, as the two passes and the reduction read it.

    One is made in every step; a frozen dataclass takes several times as long to make.

    Attributes:
        mask: (B, *spatial) bool, False where a voxel is ignored; None keeps every voxel.
        ignore_index: Label whose voxels are ignored as well, or None.
        into: (B, C) int64, the channel that the probability of each channel is added to after the
            activation: c itself, or a lower one for a class that is merged. None merges nothing.
        share: (B, C) float, how often each map counts: 0 for a map that takes no part, otherwise
            the weight of its case. None counts every map once.
        only_background: Whether merged channels go into channel 0 alone, as far as is known
            without a look at them. Compiled kernels take no others.
    """

    mask: Tensor | None = None
    ignore_index: int | None = None
    into: Tensor | None = None
    share: Tensor | None = None
    only_background: bool = True

    @property
    def over_voxels(self) -> tuple[Tensor | None, int | None, Tensor | None]:
        """Mask, ignore_index and into: what the passes over the voxels take."""
        return self.mask, self.ignore_index, self.into

    def kept(self, y: Tensor) -> Tensor | None:
        """The voxels that are not ignored, (B, *spatial) bool, or None if that is all of them."""
        if self.ignore_index is None:
            return self.mask
        kept = y != self.ignore_index
        return kept if self.mask is None else kept & self.mask


EVERYTHING = Masks()


@dataclass(frozen=True)
class MaskSettings:
    """The settings of a loss that say how masks are read.

    Attributes:
        activation: None, "sigmoid" or "softmax".
        include_background: Whether channel 0 takes part.
        ignore_index: Label whose voxels are ignored, or None.
        unannotated: "ignored" or "marginal".
        label_sets: Values of y that stand for a set of channels, or None.
    """

    activation: str | None = None
    include_background: bool = True
    ignore_index: int | None = None
    unannotated: str = "ignored"
    label_sets: LabelSets | None = None

    def read(
        self,
        y_pred: Tensor,
        y: Tensor,
        annotated: Tensor | None = None,
        mask: Tensor | None = None,
        case_weight: Tensor | None = None,
    ) -> tuple[Tensor, Masks]:
        """Return the truth as the passes read it, and what is left out of it.

        Args:
            y_pred: Shape (B, C, *spatial).
            y: Label map or maps per class, see `inputs.as_truth`.
            annotated: (B, C) bool, or (B, C - 1) where channel 0 is background.
            mask: (B, 1, *spatial) or (B, *spatial), 0 where a voxel is ignored.
            case_weight: (B,), how often each case counts, at least 0.

        Raises:
            InputError: If shapes, dtypes or values do not fit.
        """
        truth = as_truth(y_pred, y)
        labels = truth.ndim < y_pred.ndim
        if self.ignore_index is not None and not labels:
            raise InputError(
                f"ignore_index is {self.ignore_index}, but y holds one map per class: ignore_index "
                "is a value of a label map, give mask= in its place"
            )
        kept = None if mask is None else check_mask(y_pred, mask)
        known = None if annotated is None else check_annotated(y_pred, annotated)
        into, share, ignore_index = None, None, self.ignore_index
        if known is not None:
            if self._merges(y_pred):
                into, share = merge_unannotated(known, self.unannotated)
            else:
                share = known
        if self.label_sets is not None:
            truth, kept, into, share = join_sets(
                y_pred, truth, self.label_sets, kept, into, share, ignore_index
            )
            ignore_index = None
        if share is not None and share.dtype != torch.float64:
            share = share.to(working(y_pred))
        if case_weight is not None:
            weight = check_case_weight(y_pred, case_weight).unsqueeze(1)
            share = weight.expand(*y_pred.shape[:2]) if share is None else share * weight
        if kept is None and ignore_index is None and share is None:
            return truth, EVERYTHING
        return truth, Masks(kept, ignore_index, into, share, self.label_sets is None)

    def _merges(self, y_pred: Tensor) -> bool:
        """Whether classes that are not annotated join the background."""
        if self.unannotated == "marginal":
            if self.activation == "sigmoid" or y_pred.shape[1] == 1:
                channels = f"y_pred has {y_pred.shape[1]} channel(s)"
                raise InputError(
                    f"unannotated is 'marginal' with activation {self.activation!r}, and {channels}"
                    ": there is no background for a class to join, use unannotated='ignored'"
                )
            return True
        return self.activation == "softmax" and self.include_background


def make_mask_settings(
    activation: str | None,
    include_background: bool,
    ignore_index: int | None,
    unannotated: str,
    label_sets: LabelSets | None = None,
) -> MaskSettings:
    """Check the settings and return them; an ``InputError`` names what is wrong."""
    check_choice("unannotated", unannotated, ("ignored", "marginal"))
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, int | None):
        raise InputError(f"ignore_index is {ignore_index!r}; it must be a whole number or None")
    if unannotated == "marginal" and not include_background:
        raise InputError(
            "unannotated is 'marginal' and include_background is False: a class that is not "
            "annotated joins the background, so include_background must be True"
        )
    if label_sets is not None:
        label_sets = check_label_sets(label_sets, ignore_index)
        if unannotated != "marginal":
            raise InputError("label_sets were given: they need unannotated='marginal'")
        if activation == "sigmoid":
            raise InputError(
                "label_sets were given with activation 'sigmoid': the classes of a set can be "
                "added up only where the channels are one distribution, use 'softmax'"
            )
    return MaskSettings(activation, include_background, ignore_index, unannotated, label_sets)


def merge_unannotated(known: Tensor, unannotated: str) -> tuple[Tensor, Tensor]:
    """Where each channel goes, and which maps take part, if U joins the background.

    A case of which no class is annotated takes no part at all: its background would be 1
    everywhere and say nothing.

    Args:
        known: (B, C) bool, the annotated maps.
        unannotated: With "marginal" the background takes part whether or not it is annotated.

    Returns:
        ``into`` (B, C) int64 and how often each map counts, (B, C), 0 or 1. Both may be used
        again for the same ``known``, and must not be changed.
    """
    if known.device.type == "cpu" and not torch.compiler.is_compiling():
        return _merged(known.numpy().tobytes(), *known.shape, unannotated)
    return _merge(known, unannotated)


def _merge(known: Tensor, unannotated: str) -> tuple[Tensor, Tensor]:
    foreground, channel = known[:, 1:], torch.arange(known.shape[1], device=known.device)
    into = torch.where(known, channel, 0)  # background is channel 0 either way
    background = foreground.any(1, keepdim=True)
    if unannotated == "ignored":
        background = background & known[:, :1]
    return into, torch.cat([background, foreground], 1)


@lru_cache(maxsize=1024)
def _merged(known: bytes, batch: int, channels: int, unannotated: str) -> tuple[Tensor, Tensor]:
    """`_merge` on the CPU, once for each pattern: the batches of a training run repeat them."""
    with torch.inference_mode(False):  # what is kept may be used in training later
        pattern = torch.tensor(list(known), dtype=torch.bool, device="cpu").view(batch, channels)
        into, counts = _merge(pattern, unannotated)
        return into, counts.to(torch.float64)


def check_annotated(y_pred: Tensor, annotated: Tensor) -> Tensor:
    """Return ``annotated`` as (B, C) bool on the device of y_pred."""
    if not isinstance(annotated, Tensor) or annotated.dtype != torch.bool:
        kind = getattr(annotated, "dtype", type(annotated).__name__)
        raise InputError(f"annotated is {kind}; it must be a torch tensor of dtype torch.bool")
    annotated = as_plain(annotated)
    if annotated.device != y_pred.device:
        annotated = annotated.to(y_pred.device)
    if annotated.shape == y_pred.shape[:2]:
        return annotated
    batch, channels = y_pred.shape[:2]
    if channels > 1 and list(annotated.shape) == [batch, channels - 1]:
        return torch.cat([annotated.new_ones(batch, 1), annotated], 1)
    foreground = f" or, without the background, {(batch, channels - 1)}" if channels > 1 else ""
    raise InputError(
        f"annotated has shape {tuple(annotated.shape)} and y_pred {tuple(y_pred.shape)}; annotated "
        f"must be {(batch, channels)}{foreground}"
    )


def check_mask(y_pred: Tensor, mask: Tensor) -> Tensor:
    """Return ``mask`` as (B, *spatial) bool."""
    if not isinstance(mask, Tensor) or mask.is_complex():
        kind = getattr(mask, "dtype", type(mask).__name__)
        raise InputError(f"mask is {kind}; it must be a torch tensor, 0 where a voxel is ignored")
    mask = as_plain(mask)
    if mask.device != y_pred.device:
        raise InputError(f"mask is on {mask.device} and y_pred on {y_pred.device}: move mask")
    batch, _, *spatial = y_pred.shape
    if mask.shape != (batch, *spatial):
        if mask.shape != (batch, 1, *spatial):
            raise InputError(
                f"mask has shape {tuple(mask.shape)} and y_pred {tuple(y_pred.shape)}; mask must "
                f"be {(batch, 1, *spatial)} or {(batch, *spatial)}"
            )
        mask = mask[:, 0]
    return mask if mask.dtype == torch.bool else mask != 0


def check_case_weight(y_pred: Tensor, case_weight: Tensor) -> Tensor:
    """Return the weights of the cases as (B,) on the device of y_pred."""
    if not isinstance(case_weight, Tensor) or list(case_weight.shape) != [len(y_pred)]:
        shape = getattr(case_weight, "shape", type(case_weight).__name__)
        shape = tuple(shape) if isinstance(shape, torch.Size) else shape
        raise InputError(f"case_weight is {shape}; it must be a tensor of shape {(len(y_pred),)}")
    weight = as_plain(case_weight).detach().to(y_pred.device, working(y_pred))
    if weight.device.type == "cpu" and not torch.compiler.is_compiling():
        allowed = bool((weight.isfinite() & (weight >= 0)).all())
        if not allowed:
            raise InputError(
                f"case_weight is {weight.tolist()}; every weight must be finite and at least 0"
            )
    return weight


def working(y_pred: Tensor) -> torch.dtype:
    """The dtype of a handful of numbers: float64 where the device has it."""
    return torch.float32 if y_pred.device.type == "mps" else torch.float64

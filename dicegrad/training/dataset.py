"""Prepared arrays as a training run sees them: on the device, drawn by case number."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dicegrad.arrays import open_array
from dicegrad.errors import InputError
from dicegrad.preprocessing.coding import Coding
from dicegrad.preprocessing.labeling import IGNORE


@dataclass(frozen=True)
class PreparedData:
    """The cases of one dataset under one labeling.

    Attributes:
        images: (N, C, X, Y, Z) float16.
        labels: (N, X, Y, Z) uint8; value k is `classes[k - 1]`, 0 background, `IGNORE` unknown; or
            a bit for each class, if they overlap, see `Coding`.
        cases: Name of each case, for messages.
        classes: Names of the foreground classes.
        annotated: (N, K) bool, which maps are annotated; None if the loss is not to know.
        elsewhere: Where batches go, if not where the arrays are.
        overlapping: Whether a voxel may be of several classes.
    """

    images: Tensor
    labels: Tensor
    cases: tuple[str, ...]
    classes: tuple[str, ...]
    annotated: Tensor | None = None
    elsewhere: torch.device | None = None
    overlapping: bool = False

    def __post_init__(self) -> None:
        n, size = len(self.cases), tuple(self.images.shape[2:])
        if self.images.shape[0] != n or tuple(self.labels.shape) != (n, *size):
            raise InputError(
                f"{n} cases, but images are {tuple(self.images.shape)} and labels "
                f"{tuple(self.labels.shape)}; expected ({n}, C, X, Y, Z) and ({n}, X, Y, Z)"
            )
        # Here, since a GPU reports such a label late, and with a traceback.
        known = self.labels if not self.has_ignored else self.labels[self.labels != IGNORE]
        allowed = Coding(len(self.classes), self.overlapping).highest
        if known.numel() and (highest := int(known.max())) > allowed:
            raise InputError(
                f"labels go up to {highest}, but there are {len(self.classes)} classes "
                f"({', '.join(self.classes)}); prepare the labels for these, or correct `classes`"
            )

    @cached_property
    def has_ignored(self) -> bool:
        """Whether there are voxels of which no label is known."""
        return bool(self.labels.numel()) and int(self.labels.max()) == IGNORE

    @property
    def device(self) -> torch.device:
        """Where batches are."""
        return self.elsewhere or self.images.device

    def numbers(self, cases: Sequence[int] | Tensor) -> Tensor:
        """Case numbers for `batch`, moved to where the arrays are: once, since that may wait."""
        return torch.as_tensor(cases).to(self.images.device)

    def batch(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Some cases: image (B, C, X, Y, Z) float32, label (B, X, Y, Z) uint8, annotated (B, K)."""
        image, label = self.images[numbers], self.labels[numbers]
        annotated = None if self.annotated is None else self.annotated[numbers].to(self.device)
        if self.elsewhere:  # from pinned memory, copies run in the background
            image, label = (
                part.pin_memory().to(self.elsewhere, non_blocking=True) for part in (image, label)
            )
        return image.float(), label, annotated

    def fingerprint(self) -> str:
        """A hash of every voxel, to tell these arrays from those of another preprocessing."""
        digest = hashlib.sha256()
        masks = () if self.annotated is None else (self.annotated,)
        for array in (*self.images, *self.labels, *masks):
            digest.update(array.cpu().numpy().ravel())
        return digest.hexdigest()[:16]


def load_prepared(
    images: Path,
    labels: Path,
    cases: Sequence[str],
    classes: Sequence[str],
    device: torch.device | str = "cpu",
    annotated: np.ndarray | None = None,
    overlapping: bool = False,
) -> PreparedData:
    """Read prepared arrays, onto a device if they leave half of its memory free.

    On the CPU the arrays stay memory-mapped: a fold touches its own cases only.

    Args:
        images: `.npy` of (N, C, X, Y, Z).
        labels: `.npy` of (N, X, Y, Z).
        cases: N names.
        classes: Foreground classes.
        device: Where batches are to be.
        annotated: (N, K) bool, or None.
        overlapping: Whether a voxel may be of several classes.

    Raises:
        InputError: A file is missing, cut, of another type or shape, or does not fit the cases or
            classes.
    """
    n = len(cases)
    # Copy-on-write pages: torch wants writable memory, the file stays as it is.
    image = torch.from_numpy(open_array(images, np.float16, (n, None, None, None, None), mode="c"))
    label = torch.from_numpy(open_array(labels, np.uint8, (n, None, None, None), mode="c"))
    masks = None if annotated is None else torch.from_numpy(annotated)
    target = torch.device(device)
    size = image.nbytes + label.nbytes
    elsewhere = None
    if target.type == "cuda" and size > torch.cuda.mem_get_info(target)[0] / 2:
        elsewhere = target
    else:
        image, label = image.to(target), label.to(target)
        masks = None if masks is None else masks.to(target)
    return PreparedData(
        image, label, tuple(cases), tuple(classes), masks, elsewhere, overlapping=overlapping
    )

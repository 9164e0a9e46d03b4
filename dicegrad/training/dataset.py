"""Prepared arrays as a training sees them: on the device, drawn by case number."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dicegrad.errors import InputError


@dataclass(frozen=True)
class PreparedData:
    """The cases of one dataset under one labeling.

    Attributes:
        images: (N, C, X, Y, Z) float16.
        labels: (N, X, Y, Z) uint8; value k is `classes[k - 1]`, 0 background.
        cases: Name of each case, for messages.
        classes: Names of the foreground classes.
        elsewhere: Where batches go, if not where the arrays are.
    """

    images: Tensor
    labels: Tensor
    cases: tuple[str, ...]
    classes: tuple[str, ...]
    elsewhere: torch.device | None = None

    def __post_init__(self) -> None:
        n, size = len(self.cases), tuple(self.images.shape[2:])
        if self.images.shape[0] != n or tuple(self.labels.shape) != (n, *size):
            raise InputError(
                f"{n} cases, but images are {tuple(self.images.shape)} and labels "
                f"{tuple(self.labels.shape)}; expected ({n}, C, X, Y, Z) and ({n}, X, Y, Z)"
            )
        # Now, since a GPU tells of such a label late, and in a traceback.
        if n and (highest := int(self.labels.max())) > len(self.classes):
            raise InputError(
                f"labels go up to {highest}, but there are {len(self.classes)} classes "
                f"({', '.join(self.classes)}); prepare the labels for these, or mend the classes"
            )

    @property
    def device(self) -> torch.device:
        """Where batches are."""
        return self.elsewhere or self.images.device

    def numbers(self, cases: Sequence[int] | Tensor) -> Tensor:
        """Case numbers for `batch`, moved where the arrays are: once, since that may wait."""
        return torch.as_tensor(cases).to(self.images.device)

    def batch(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Image (B, C, X, Y, Z) float32 and label (B, X, Y, Z) uint8 of some cases."""
        image, label = self.images[numbers], self.labels[numbers]
        if self.elsewhere:  # from pinned memory a copy goes on in the background
            image, label = (
                part.pin_memory().to(self.elsewhere, non_blocking=True) for part in (image, label)
            )
        return image.float(), label

    def fingerprint(self) -> str:
        """A hash of every voxel, to tell these arrays from ones that were prepared otherwise."""
        digest = hashlib.sha256()
        for array in (*self.images, *self.labels):
            digest.update(array.cpu().numpy().ravel())
        return digest.hexdigest()[:16]


def load_prepared(
    images: Path,
    labels: Path,
    cases: Sequence[str],
    classes: Sequence[str],
    device: torch.device | str = "cpu",
) -> PreparedData:
    """Prepared arrays from disk, once, onto a device if they leave half of its memory free.

    On the CPU the arrays stay memory-mapped: a fold touches its own cases only.

    Args:
        images: `.npy` of (N, C, X, Y, Z).
        labels: `.npy` of (N, X, Y, Z).
        cases: N names.
        classes: Foreground classes.
        device: Where batches shall be.
    """
    # Copy-on-write pages: torch wants writable memory, the file stays as it is.
    arrays = (np.load(path, mmap_mode="c") for path in (images, labels))
    tensors = [torch.from_numpy(array) for array in arrays]
    target = torch.device(device)
    size = sum(tensor.nbytes for tensor in tensors)
    if target.type == "cuda" and size > torch.cuda.mem_get_info(target)[0] / 2:
        return PreparedData(*tensors, tuple(cases), tuple(classes), target)
    tensors = [tensor.to(target) for tensor in tensors]
    return PreparedData(*tensors, tuple(cases), tuple(classes))

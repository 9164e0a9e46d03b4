"""Dice losses of other packages, each with the reduction that it has, for `losses.py`.

Each function returns the loss of logits and label map, or None where its package is not installed
or has no such loss.
"""

import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def plain(activation: str) -> Loss:
    """The textbook formula (Eq. 3, phi I) with autograd: probabilities, one-hot maps, sums."""

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        p = logits.softmax(1) if activation == "softmax" else logits.sigmoid()
        channels = p.shape[1]
        labels = torch.arange(channels, device=y.device) if channels > 1 else y.new_ones(1)
        truth = (y.unsqueeze(1) == labels.view(-1, 1, 1, 1)).to(p.dtype)
        axes = (2, 3, 4)
        total = p.sum(axes) + truth.sum(axes)
        return 1 - ((2 * (p * truth).sum(axes) + 1e-7) / (total + 1e-7)).mean()

    return loss


def monai(activation: str) -> Loss | None:
    """MONAI's DiceLoss with the same reduction and epsilon."""
    try:
        from monai.losses import DiceLoss as Theirs
    except ImportError:
        return None
    loss = Theirs(
        sigmoid=activation == "sigmoid",
        softmax=activation == "softmax",
        to_onehot_y=activation == "softmax",
        smooth_nr=1e-7,
        smooth_dr=1e-7,
    )
    return lambda logits, y: loss(logits, y.unsqueeze(1))


def nnunet(activation: str) -> Loss | None:
    """nnU-Net's memory-efficient loss with the same reduction and epsilon."""
    try:
        from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss as Theirs
    except ImportError:
        return None
    function = (lambda x: x.softmax(1)) if activation == "softmax" else torch.sigmoid
    loss = Theirs(apply_nonlin=function, batch_dice=False, do_bg=True, smooth=1e-7, ddp=False)
    return lambda logits, y: loss(logits, y.unsqueeze(1))


def kornia(activation: str) -> Loss | None:
    """kornia's dice_loss, one Dice per class; it has a softmax only, and images of two axes."""
    try:
        from kornia.losses import dice_loss
    except ImportError:
        return None
    if activation == "sigmoid":
        return None
    return lambda logits, y: dice_loss(logits.flatten(3), y.long().flatten(2), average="macro")


def segmentation_models(activation: str) -> Loss | None:
    """segmentation-models-pytorch's DiceLoss; its reduction is phi BI."""
    theirs = _losses_of_segmentation_models()
    if theirs is None:
        return None
    loss = theirs.DiceLoss("binary" if activation == "sigmoid" else "multiclass", smooth=1e-7)
    return lambda logits, y: loss(logits, y.long())


def _losses_of_segmentation_models() -> ModuleType | None:
    """Its losses alone: the package itself would import its encoders, and torchvision with them."""
    name = "segmentation_models_pytorch"
    if name not in sys.modules:
        found = importlib.util.find_spec(name)
        if found is None or found.submodule_search_locations is None:
            return None
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = list(found.submodule_search_locations)
    return importlib.import_module(f"{name}.losses")


OTHERS: dict[str, Callable[[str], Loss | None]] = {
    "MONAI": monai,
    "nnU-Net": nnunet,
    "kornia": kornia,
    "smp": segmentation_models,
    "plain formula": plain,
}

"""The trainings that `training.py` compares, each a function that runs one epoch."""

import copy
import math
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dicegrad.training.adam import Adam
from dicegrad.training.augmentation import AugmentationSettings
from dicegrad.training.network import NetworkSettings
from dicegrad.training.numerics import autocast
from dicegrad.training.run import Run, make_adam

Epoch = Callable[[], int]  # returns its steps


def dicegrad(run: Run) -> Epoch:
    def epoch() -> int:
        run.losses = []
        run.epoch += 1
        return sum(1 for _ in run.steps())

    return epoch


def torchs_own(run: Run) -> tuple[nn.Module, Adam]:
    """The network of a run made of torch's own layers, in torch's usual memory format."""
    network = copy.deepcopy(run.network).to(memory_format=torch.contiguous_format)
    network.memory_format = torch.contiguous_format
    for layer in network.modules():
        for own in (nn.Conv3d, nn.InstanceNorm3d, nn.LeakyReLU):
            if isinstance(layer, own):
                layer.__class__ = own
        if isinstance(layer, nn.LeakyReLU):  # as MONAI and nnU-Net have it
            layer.inplace = True
    return network, make_adam(network, run.settings)


def monai(run: Run, workers: int, own_layers: bool) -> Epoch | None:
    """The network of a run, fed and judged by MONAI."""
    try:
        from monai.data import DataLoader, Dataset
    except ImportError:
        return None
    loss_of = _monai_loss(len(run.data.classes) == 1)
    cases = [
        {"image": image.float().cpu(), "label": label[None].float().cpu()}
        for image, label in zip(run.data.images, run.data.labels, strict=True)
    ]
    loader = DataLoader(
        Dataset(cases, _monai_transforms(run.settings.augmentation, run.data.images.shape[2:])),
        batch_size=run.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=run.data.device.type == "cuda",
    )
    network, optimizer = torchs_own(run) if own_layers else (run.network, run.optimizer)

    def epoch() -> int:
        network.train()
        steps = 0
        for batch in loader:
            image, label = (
                batch[name].as_subclass(Tensor).to(run.data.device, non_blocking=True)
                for name in ("image", "label")
            )
            optimizer.zero_grad()
            with autocast(run.settings.precision, run.data.device):
                logits = network(image)
            loss_of(logits.float(), label).backward()
            optimizer.step()
            steps += 1
        return steps

    return epoch


def _monai_loss(binary: bool) -> nn.Module:
    from monai.losses import DiceLoss

    return DiceLoss(
        include_background=binary,
        to_onehot_y=not binary,
        sigmoid=binary,
        softmax=not binary,
        smooth_nr=1e-7,
        smooth_dr=1e-7,
    )


def _monai_transforms(a: AugmentationSettings, size: tuple[int, ...]) -> Callable:
    """MONAI's transforms of the kinds that a dataset asks for, at the same strengths."""
    from monai import transforms

    both, modes = ["image", "label"], ("bilinear", "nearest")
    affine = {
        "rotate_range": a.rotation,
        "translate_range": a.translation,
        "scale_range": a.scaling,
    }
    chosen = []
    if any(a.elastic):
        # White noise in [-1, 1], smoothed with a Gaussian of a fifth of the volume, as here.
        sigma = sum(size) / 15
        strength = max(a.elastic) * 3**0.5 * (2 * math.pi**0.5 * sigma) ** 1.5
        ranges = {"sigma_range": (sigma, sigma), "magnitude_range": (strength, strength)}
        chosen.append(
            transforms.Rand3DElasticd(
                both, **ranges, prob=1, **affine, mode=modes, padding_mode="zeros"
            )
        )
    elif any((*a.rotation, *a.translation, *a.scaling)):
        chosen.append(
            transforms.RandAffined(both, prob=1, **affine, mode=modes, padding_mode="zeros")
        )
    for axis, probability in enumerate(a.flip):
        if probability:
            chosen.append(transforms.RandFlipd(both, prob=probability, spatial_axis=axis))
    if a.intensity_shift:
        chosen.append(transforms.RandShiftIntensityd("image", a.intensity_shift, prob=1))
    if a.intensity_scale:
        chosen.append(transforms.RandScaleIntensityd("image", a.intensity_scale, prob=1))
    if a.noise:
        chosen.append(transforms.RandGaussianNoised("image", prob=1, std=a.noise))
    return transforms.Compose(chosen)


def nnunet(run: Run) -> Epoch | None:
    """nnU-Net's step on its own network, laid out as the network of a run."""
    try:
        with redirect_stdout(StringIO()):  # it says that its environment variables are not set
            from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
            from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
            from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
            from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    except ImportError:
        return None
    settings, device = run.network.settings, run.data.device
    network = _nnunets_own(settings).to(device)
    weights = np.array([0.5**level for level in range(len(settings.encoder) - 2)] + [0.0])
    dice = {"batch_dice": False, "smooth": 1e-5, "do_bg": False, "ddp": False}
    loss = DC_and_CE_loss(dice, {}, dice_class=MemoryEfficientSoftDiceLoss)
    optimizer = torch.optim.SGD(
        network.parameters(), 0.01, weight_decay=3e-5, momentum=0.99, nesterov=True
    )
    trainer = SimpleNamespace(
        device=device,
        network=network,
        optimizer=optimizer,
        loss=DeepSupervisionWrapper(loss, weights / weights.sum()),
        grad_scaler=torch.amp.GradScaler("cuda") if device.type == "cuda" else None,
    )
    image, label, _ = run.data.batch(run.data.numbers(range(run.batch_size)))
    targets = [label[:, None].float()]
    for pool in settings.pools[:-1]:
        targets.append(functional.max_pool3d(targets[-1], pool))

    def epoch() -> int:
        network.train()
        for _ in range(run.steps_per_epoch):
            nnUNetTrainer.train_step(trainer, {"data": image, "target": targets})
        return run.steps_per_epoch

    return epoch


def _nnunets_own(settings: NetworkSettings) -> nn.Module:
    """nnU-Net's network with the levels, features, kernels and poolings of one here."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    levels = len(settings.encoder)
    return PlainConvUNet(
        settings.in_channels,
        levels,
        [widths[-1] for widths in settings.encoder],
        nn.Conv3d,
        [settings.kernels[0]] * levels,
        [(1, 1, 1), *settings.pools],
        [len(widths) for widths in settings.encoder],
        max(settings.out_channels, 2),
        [len(widths) for widths in reversed(settings.decoder)],
        conv_bias=True,
        norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=True,
    )


def convolutions(run: Run) -> Epoch:
    """Forward and backward of each convolution on its own, inputs and gradients at hand."""
    device, precision = run.data.device, run.settings.precision
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    layers = [m for m in run.network.modules() if isinstance(m, nn.Conv3d)]
    shapes: dict[nn.Module, tuple[int, ...]] = {}
    hooks = [
        layer.register_forward_pre_hook(lambda m, x: shapes.update({m: x[0].shape}))
        for layer in layers
    ]
    image, _, _ = run.data.batch(run.data.numbers(range(run.batch_size)))
    with torch.no_grad():
        run.network(image)
    for hook in hooks:
        hook.remove()

    def noise(*shape: int) -> Tensor:
        made = torch.empty(shape, dtype=dtype, device=device, memory_format=torch.channels_last_3d)
        return made.normal_()

    inputs = [noise(*shapes[layer]).requires_grad_(layer is not layers[0]) for layer in layers]
    upstream = [
        noise(len(x), m.out_channels, *x.shape[2:]) for m, x in zip(layers, inputs, strict=True)
    ]

    def epoch() -> int:
        for _ in range(run.steps_per_epoch):
            with autocast(precision, device):
                maps = [layer(x) for layer, x in zip(layers, inputs, strict=True)]
            for layer, x, out, gradient in zip(layers, inputs, maps, upstream, strict=True):
                wanted = [*layer.parameters(), *([x] if x.requires_grad else [])]
                torch.autograd.grad(out, wanted, gradient.to(out.dtype))
        return run.steps_per_epoch

    return epoch

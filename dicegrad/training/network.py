"""The 3-D U-Net of the paper, with configurable depth, widths, kernels and pooling.

Every convolution but the first is preceded by normalisation and activation ("pre-activation"),
the last 1 x 1 x 1 convolution included. A skip is the raw output of its encoder level, so the
decoder normalises skip and upsampled maps together.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from dicegrad.errors import InputError
from dicegrad.training.layers import (
    BatchNorm,
    Conv,
    InstanceNorm,
    LeakyReLU,
    NormActivation,
    upsample,
)

Size = tuple[int, int, int]


@dataclass(frozen=True)
class NetworkSettings:
    """What defines a U-Net.

    Attributes:
        in_channels: Image channels.
        out_channels: Output maps: 1 (sigmoid) or classes + 1 (softmax, background first); one
            sigmoid map a class if these overlap.
        encoder: Features of the convolutions of each level, finest first; the last is the bottom.
        decoder: The same for the way up, finest first; one level fewer than the encoder.
        kernels: Kernel of the first, second, ... convolution of every block.
        pools: Max pooling between one encoder level and the next.
        norm: `instance` or `batch`.
        activation: `leaky_relu` (slope 0.01) or `prelu` (one slope per channel, from 0).
        background: Probability of background, in (0, 1), that the untrained network starts from;
            None leaves the biases of the head at 0. Where every class starts likely everywhere,
            one of them can stay in the place of background, where the Dice loss hardly pushes it.
        overlapping: True if a voxel may be of several classes; weights of an earlier version lack
            it.
    """

    in_channels: int
    out_channels: int
    encoder: tuple[tuple[int, ...], ...]
    decoder: tuple[tuple[int, ...], ...]
    kernels: tuple[Size, ...]
    pools: tuple[Size, ...]
    norm: str = "instance"
    activation: str = "leaky_relu"
    background: float | None = None
    overlapping: bool | None = None

    def __post_init__(self) -> None:
        if not len(self.encoder) == len(self.decoder) + 1 == len(self.pools) + 1:
            raise InputError(
                f"network: {len(self.encoder)} encoder levels need one fewer decoder levels and "
                f"pools; got {len(self.decoder)} and {len(self.pools)}"
            )
        lengths = [len(block) for block in (*self.encoder, *self.decoder)]
        if not min(lengths):
            raise InputError("network: a block of encoder or decoder is empty; give it features")
        longest = max(lengths)
        if longest > len(self.kernels):
            raise InputError(
                f"network: a block has {longest} convolutions but kernels names {len(self.kernels)}"
            )
        if self.norm not in _NORMS:
            raise InputError(f"network: norm is {self.norm!r}; allowed: {', '.join(_NORMS)}")
        if self.activation not in _ACTIVATIONS:
            raise InputError(
                f"network: activation is {self.activation!r}; allowed: {', '.join(_ACTIVATIONS)}"
            )
        if self.background is not None and not 0 < self.background < 1:
            raise InputError(
                f"network: background is {self.background}; give a probability between 0 and 1"
            )

    @classmethod
    def from_dict(
        cls,
        settings: Mapping[str, Any],
        in_channels: int,
        classes: int,
        overlapping: bool = False,
    ) -> "NetworkSettings":
        """Settings from the `network` block of a dataset file.

        Args:
            settings: `encoder`, `decoder`, `kernels`, `pools` and, optionally, `norm`,
                `activation` and `background`.
            in_channels: Image channels.
            classes: Foreground classes. One class gets a single sigmoid map, more get a softmax.
            overlapping: Whether a voxel may be of several classes: each gets a sigmoid map.

        Raises:
            InputError: A key is unknown, or the settings do not fit each other.
        """
        of_data = ("in_channels", "out_channels", "overlapping")
        known = [f.name for f in fields(cls) if f.name not in of_data]
        if unknown := sorted(set(settings) - set(known)):
            raise InputError(f"network: unknown key {unknown[0]!r}; allowed: {', '.join(known)}")
        values: dict[str, Any] = {
            key: tuple(map(tuple, value)) if isinstance(value, (list, tuple)) else value
            for key, value in settings.items()
        }
        if overlapping:
            return cls(in_channels, classes, **values, overlapping=True)
        return cls(in_channels, 1 if classes == 1 else classes + 1, **values)

    @property
    def divisors(self) -> Size:
        """What the image size must be divisible by along each axis."""
        x, y, z = (math.prod(axis) for axis in zip(*self.pools, strict=True))
        return x, y, z

    def check_size(self, size: Size, where: object) -> None:
        """See that images of a size can be pooled.

        Args:
            size: Voxels along x, y, z.
            where: File of the images, for the message.

        Raises:
            InputError: They cannot.
        """
        if any(length % divisor for length, divisor in zip(size, self.divisors, strict=True)):
            came, pooled = (" x ".join(map(str, each)) for each in (size, self.divisors))
            raise InputError(
                f"{where}: images are {came} voxels, but the network pools them by {pooled} in "
                "all; prepare them in a multiple of that, or change the pools"
            )


_NORMS = {"instance": InstanceNorm, "batch": BatchNorm}
_ACTIVATIONS = {
    "leaky_relu": lambda features: LeakyReLU(0.01),
    "prelu": lambda features: nn.PReLU(features, init=0.0),
}


class UNet(nn.Module):
    """The U-Net: image (B, C, X, Y, Z) in, logits (B, K, X, Y, Z) out.

    Example:
        >>> settings = NetworkSettings(
        ...     1, 4, encoder=((8, 8), (16, 16)), decoder=((8, 8),),
        ...     kernels=((3, 3, 3), (3, 3, 1)), pools=((2, 2, 1),),
        ... )
        >>> UNet(settings)(torch.zeros(2, 1, 16, 16, 4)).shape
        torch.Size([2, 4, 16, 16, 4])
    """

    # The order of values that convolutions need not change.
    memory_format = torch.channels_last_3d

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        features = settings.in_channels
        skips = []
        self.encoder = nn.ModuleList()
        for level, widths in enumerate(settings.encoder):
            self.encoder.append(_block(features, widths, settings, first=level == 0))
            features = widths[-1]
            skips.append(features)
        self.decoder = nn.ModuleList()
        for level in reversed(range(len(settings.decoder))):
            widths = settings.decoder[level]
            self.decoder.append(Decoder(skips[level], features, widths, level, settings))
            features = widths[-1]
        self.head = _unit(features, settings.out_channels, (1, 1, 1), settings)
        self.apply(_initialise)
        if settings.background is not None:
            _start_from_background(
                cast(Conv, self.head[-1]), settings.background, bool(settings.overlapping)
            )

    def forward(self, image: Tensor) -> Tensor:
        """Logits of the output maps, (B, K, X, Y, Z), for an image (B, C, X, Y, Z)."""
        # `contiguous` would leave a single channel as it is, since that has both formats at once.
        x = torch.empty_like(image, memory_format=self.memory_format).copy_(image)
        skips = []
        for block, pool in zip(self.encoder, (*self.settings.pools, None), strict=True):
            x = block(x)
            if pool is not None:
                skips.append(x)
                x = functional.max_pool3d(x, pool)
        for block in self.decoder:
            x = block(skips.pop(), x)
        return self.head(x)


class Decoder(nn.Module):
    """One decoder level: the skip and the upsampled maps from below, then a block."""

    def __init__(
        self,
        skip_features: int,
        features: int,
        widths: tuple[int, ...],
        level: int,
        settings: NetworkSettings,
    ) -> None:
        super().__init__()
        x, y, z = settings.pools[level]
        self.scale = (x, y, z)
        self.skip = _activation(skip_features, settings)
        self.below = _activation(features, settings)
        self.block = _block(skip_features + features, widths, settings, first=True)

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        """Maps (B, F, X, Y, Z) of a skip of the same size and coarser maps."""
        # Upsampling repeats every voxel equally often, so that normalising before it gives the same
        # as after it, for an eighth of the work.
        up = upsample(self.below(below), self.scale)
        return self.block(torch.cat([self.skip(skip), up], dim=1))


def kernels_of(network: nn.Module) -> list[nn.Parameter]:
    """The convolution kernels: the only parameters under the L2 penalty."""
    convolutions = (module for module in network.modules() if isinstance(module, nn.Conv3d))
    return [cast(nn.Parameter, convolution.weight) for convolution in convolutions]


def _block(
    features: int, widths: tuple[int, ...], settings: NetworkSettings, first: bool = False
) -> nn.Sequential:
    """Convolutions in a row; `first`: the first one sees its input as it is."""
    layers = nn.Sequential()
    for width, kernel in zip(widths, settings.kernels, strict=False):
        plain = first and not len(layers)
        unit = Conv(features, width, kernel) if plain else _unit(features, width, kernel, settings)
        layers.append(unit)
        features = width
    return layers


def _unit(features: int, width: int, kernel: Size, settings: NetworkSettings) -> nn.Sequential:
    """Normalisation, activation, convolution."""
    return _activation(features, settings, Conv(features, width, kernel))


def _activation(features: int, settings: NetworkSettings, *after: nn.Module) -> NormActivation:
    """Normalisation and activation, and what comes after them."""
    norm, activation = _NORMS[settings.norm], _ACTIVATIONS[settings.activation]
    return NormActivation(norm(features), activation(features), *after)


def _initialise(module: nn.Module) -> None:
    """He's normal initialisation, truncated at two standard deviations as in Keras."""
    if isinstance(module, nn.Conv3d):
        fan_in = module.in_channels * math.prod(module.kernel_size)
        # 0.87963 is the standard deviation of a standard normal cut at +-2.
        std = math.sqrt(2 / fan_in) / 0.8796256610342398
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _start_from_background(head: Conv, background: float, overlapping: bool) -> None:
    """Set the biases of the head so that logits of 0 become this probability of background."""
    odds = math.log(background / (1 - background))
    bias = cast(Tensor, head.bias)
    with torch.no_grad():
        if len(bias) == 1 or overlapping:  # sigmoid maps
            bias.fill_(-odds)
        else:  # a softmax over background and the classes
            bias[0] = odds + math.log(len(bias) - 1)

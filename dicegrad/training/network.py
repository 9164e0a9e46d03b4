"""The 3-D U-Net of the paper, with its depth, widths, kernels and pooling left open.

Every convolution but the first is preceded by normalisation and activation ("pre-activation"),
the last 1 x 1 x 1 convolution included. A skip is the raw output of its encoder level, so the
decoder normalises skip and upsampled maps together.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn import functional

from dicegrad.errors import InputError

Size = tuple[int, int, int]


@dataclass(frozen=True)
class NetworkSettings:
    """What defines a U-Net.

    Attributes:
        in_channels: Image channels.
        out_channels: Output maps: 1 (sigmoid) or classes + 1 (softmax, background first).
        encoder: Features of the convolutions of each level, finest first; the last is the bottom.
        decoder: The same for the way up, finest first; one level fewer than the encoder.
        kernels: Kernel of the first, second, ... convolution of every block.
        pools: Max pooling between one encoder level and the next.
        norm: `instance` or `batch`.
        activation: `leaky_relu` (slope 0.01) or `prelu` (one slope per channel, from 0).
    """

    in_channels: int
    out_channels: int
    encoder: tuple[tuple[int, ...], ...]
    decoder: tuple[tuple[int, ...], ...]
    kernels: tuple[Size, ...]
    pools: tuple[Size, ...]
    norm: str = "instance"
    activation: str = "leaky_relu"

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

    @classmethod
    def from_dict(cls, settings: dict, in_channels: int, classes: int) -> "NetworkSettings":
        """Settings from the `network` block of a dataset file.

        Args:
            settings: `encoder`, `decoder`, `kernels`, `pools` and, optionally, `norm` and
                `activation`.
            in_channels: Image channels.
            classes: Foreground classes. One class gets a single sigmoid map, more get a softmax.

        Raises:
            InputError: A key is unknown, or the settings do not fit each other.
        """
        known = [f.name for f in fields(cls) if not f.name.endswith("_channels")]
        if unknown := sorted(set(settings) - set(known)):
            raise InputError(f"network: unknown key {unknown[0]!r}; allowed: {', '.join(known)}")
        nested = {k: tuple(map(tuple, v)) for k, v in settings.items() if isinstance(v, list)}
        plain = {k: v for k, v in settings.items() if not isinstance(v, list)}
        return cls(in_channels, 1 if classes == 1 else classes + 1, **nested, **plain)

    @property
    def divisors(self) -> Size:
        """What the image size must be divisible by along each axis."""
        return tuple(math.prod(pool[axis] for pool in self.pools) for axis in range(3))


class InstanceNorm(nn.InstanceNorm3d):
    """Instance normalisation with Keras' epsilon."""

    def __init__(self, features: int) -> None:
        super().__init__(features, eps=1e-3, affine=True)


class BatchNorm(nn.BatchNorm3d):
    """Batch normalisation with Keras' epsilon and momentum."""

    def __init__(self, features: int) -> None:
        super().__init__(features, eps=1e-3, momentum=0.01)


_NORMS = {"instance": InstanceNorm, "batch": BatchNorm}
_ACTIVATIONS = {
    "leaky_relu": lambda features: nn.LeakyReLU(0.01, inplace=True),
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
            self.decoder.append(_block(skips[level] + features, widths, settings))
            features = widths[-1]
        self.head = _unit(features, settings.out_channels, (1, 1, 1), settings)
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of the output maps, (B, K, X, Y, Z), for an image (B, C, X, Y, Z)."""
        skips = []
        x = image
        for block, pool in zip(self.encoder, (*self.settings.pools, None), strict=True):
            x = block(x)
            if pool is not None:
                skips.append(x)
                x = functional.max_pool3d(x, pool)
        for block, pool in zip(self.decoder, reversed(self.settings.pools), strict=True):
            up = functional.interpolate(x, scale_factor=tuple(map(float, pool)), mode="nearest")
            x = block(torch.cat([skips.pop(), up], dim=1))
        return self.head(x)


def kernels_of(network: nn.Module) -> list[nn.Parameter]:
    """The convolution kernels: the only parameters under the L2 penalty."""
    return [module.weight for module in network.modules() if isinstance(module, nn.Conv3d)]


def _block(
    features: int, widths: tuple[int, ...], settings: NetworkSettings, first: bool = False
) -> nn.Sequential:
    """Convolutions in a row; the first of the network sees the image as it is."""
    layers = nn.Sequential()
    for width, kernel in zip(widths, settings.kernels, strict=False):
        plain = first and not len(layers)
        unit = _conv(features, width, kernel) if plain else _unit(features, width, kernel, settings)
        layers.append(unit)
        features = width
    return layers


def _unit(features: int, width: int, kernel: Size, settings: NetworkSettings) -> nn.Sequential:
    """Normalisation, activation, convolution."""
    norm, activation = _NORMS[settings.norm], _ACTIVATIONS[settings.activation]
    return nn.Sequential(norm(features), activation(features), _conv(features, width, kernel))


def _conv(features: int, width: int, kernel: Size) -> nn.Conv3d:
    return nn.Conv3d(features, width, kernel, padding="same")


def _initialise(module: nn.Module) -> None:
    """He's normal initialisation, truncated at two standard deviations as in Keras."""
    if isinstance(module, nn.Conv3d):
        fan_in = module.in_channels * math.prod(module.kernel_size)
        # 0.87963 is the standard deviation of a standard normal cut at +-2.
        std = math.sqrt(2 / fan_in) / 0.8796256610342398
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        nn.init.zeros_(module.bias)

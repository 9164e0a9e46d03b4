"""The memory that a training step needs, from the shape of the network."""

import math
from collections.abc import Sequence

from dicegrad.training.network import NetworkSettings

_BYTES = 4
# Bytes for each value that a convolution gives: itself, its normalisation and activation, and what
# the backward pass adds; fitted to peak memory.
_COPIES = 3.25


def step_memory(network: NetworkSettings, size: Sequence[int], batch_size: int) -> float:
    """Bytes that a training step needs, about, without what torch itself takes.

    Args:
        network: Its settings.
        size: Of the grid, voxels along x, y, z.
        batch_size: Cases in a batch.
    """
    voxels, total = float(math.prod(size)), 0.0
    for level, block in enumerate(network.encoder):
        maps = sum(block)
        if level < len(network.decoder):
            below = (network.decoder + network.encoder[-1:])[level + 1]
            maps += sum(network.decoder[level]) + block[-1] + below[-1]  # skip and upsampled maps
        total += voxels * maps
        if level < len(network.pools):
            voxels /= math.prod(network.pools[level])
    ends = math.prod(size) * (network.in_channels + 4 * max(network.out_channels, 2))
    return batch_size * _BYTES * (_COPIES * total + ends)

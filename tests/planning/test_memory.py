import dataclasses

from dicegrad.planning.memory import step_memory
from dicegrad.training.network import NetworkSettings

NETWORK = NetworkSettings(
    in_channels=1,
    out_channels=4,
    encoder=((8, 8), (16, 16)),
    decoder=((8, 8),),
    kernels=((3, 3, 3), (3, 3, 3)),
    pools=((2, 2, 2),),
)


def test_memory_is_that_of_the_maps_of_each_level():
    """By hand: at the top 32 maps, and 24 of skip and upsampling; at the bottom 32 of an eighth."""
    voxels = 16 * 16 * 8
    maps = 3.25 * (voxels * (16 + 16 + 8 + 16) + voxels / 8 * 32)
    assert step_memory(NETWORK, (16, 16, 8), 2) == 2 * 4 * (maps + voxels * (1 + 4 * 4))


def test_batch_grid_and_width_need_more():
    least = step_memory(NETWORK, (16, 16, 8), 1)
    assert step_memory(NETWORK, (16, 16, 8), 2) == 2 * least
    assert step_memory(NETWORK, (32, 16, 8), 1) == 2 * least
    wide = dataclasses.replace(NETWORK, encoder=((16, 16), (32, 32)), decoder=((16, 16),))
    assert step_memory(wide, (16, 16, 8), 1) > 1.5 * least

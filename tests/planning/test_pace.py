import torch

from dicegrad.planning.pace import time_step
from dicegrad.training.network import NetworkSettings


def network(width, classes):
    block = {
        "encoder": [[width], [width]],
        "decoder": [[width]],
        "kernels": [[3, 3, 3]],
        "pools": [[2, 2, 2]],
    }
    return NetworkSettings.from_dict(block, 2, classes)


def test_steps_are_timed_and_threads_stay_as_they_were():
    threads = torch.get_num_threads()
    for classes in (("tumor",), ("LV", "MYO", "RV")):
        pace = time_step((8, 8, 8), network(4, len(classes)), classes, {}, 2, "cpu")
        assert pace.train > 0
        assert pace.validate > 0
    assert torch.get_num_threads() == threads

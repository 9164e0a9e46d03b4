"""What the push meter costs: its processor time beside that of a training step.

    python benchmarks/push_meter.py                 # the demo's networks, on a CPU
    python benchmarks/push_meter.py --steps 50

One step is forward, loss, backward and optimiser, without augmentation. Both are timed in turn, so
that whatever else the machine does falls on both; medians of processor time are shown.
"""

import argparse
import statistics
import time

import torch

from dicegrad.losses import DiceCELoss, DiceLoss
from dicegrad.losses.push_meter import PushMeter
from dicegrad.training.network import NetworkSettings, UNet

# Of the demo's heart and of the coarse ACDC study: grid, channels, classes, network.
SETTINGS = {
    "demo, heart": ((32, 32, 8), ((8, 8), (16, 16), (32, 32)), ((8, 8), (16, 16))),
    "64 x 64 x 16": ((64, 64, 16), ((8, 8), (16, 16), (32, 32)), ((8, 8), (16, 16))),
}


def measure(name: str, steps: int) -> tuple[float, float]:
    """Median milliseconds of a step, and of the meter in it."""
    size, encoder, decoder = SETTINGS[name]
    kernels, pools = ((3, 3, 3), (3, 3, 1)), ((2, 2, 1), (2, 2, 2))
    torch.manual_seed(0)
    network = UNet(NetworkSettings(1, 4, encoder, decoder, kernels, pools))
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    images, labels = torch.randn(2, 1, *size), torch.randint(0, 4, (2, *size), dtype=torch.uint8)
    loss = DiceCELoss("BI", activation="softmax", include_background=False)
    assert isinstance(loss.dice, DiceLoss)
    meter = PushMeter(loss, ["LV", "MYO", "RV"])
    whole, part = [], []
    for _ in range(steps + 2):
        start = time.process_time()
        logits = network(images)
        optimizer.zero_grad()
        loss(logits, labels).backward()
        optimizer.step()
        middle = time.process_time()
        meter.add(logits, labels)
        whole.append(middle - start)
        part.append(time.process_time() - middle)
    return 1e3 * statistics.median(whole[2:]), 1e3 * statistics.median(part[2:])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in SETTINGS:
        step, meter = measure(name, options.steps)
        print(f"{name}: step {step:.1f} ms, meter {meter:.2f} ms, {100 * meter / step:.2f} %")


if __name__ == "__main__":
    main()

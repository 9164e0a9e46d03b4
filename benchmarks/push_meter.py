"""What the push meter costs: a training step with it beside one without.

    python benchmarks/push_meter.py                 # two grids, four losses, on a CPU
    python benchmarks/push_meter.py --pairs 40

One step is forward, loss, backward and optimiser, without augmentation, which would make the share
smaller. Blocks of steps with and without the meter are run in turn, so that whatever else the
machine does falls on both. The ratio of processor time is taken pair by pair, and its median and
middle half are shown. The second figure is the processor time within the meter's own calls, and in
the last column what it sums up at the end of a block. A median of ratios moves by about a per cent
on a busy machine, the time within the calls does not.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dicegrad.losses import CrossEntropyLoss, DiceCELoss, DiceLoss
from dicegrad.losses.push_meter import PushMeter
from dicegrad.training.network import NetworkSettings, UNet

# Of the demo's heart and of the coarse ACDC study: grid, features; three classes.
GRIDS = {"32 x 32 x 8": (32, 32, 8), "64 x 64 x 16": (64, 64, 16)}
ENCODER, DECODER = ((8, 8), (16, 16), (32, 32)), ((8, 8), (16, 16))
KERNELS, POOLS = ((3, 3, 3), (3, 3, 1)), ((2, 2, 1), (2, 2, 2))
STEPS = 10  # of a block; an epoch of the demo has 18
KNOWN = torch.tensor([[True, False, True], [True, True, True]])
DICE: dict = {"activation": "softmax", "include_background": False}
LOSSES: dict[str, tuple[Callable[[], nn.Module], Tensor | None]] = {
    "BI": (lambda: DiceLoss("BI", **DICE), None),
    "BI + CE": (lambda: DiceCELoss("BI", **DICE), None),
    "BI + CE, told what is annotated": (lambda: DiceCELoss("BI", **DICE), KNOWN),
    "CE": (CrossEntropyLoss, None),
}


class Block:
    """Some steps of one network, with or without a meter."""

    def __init__(self, grid: tuple[int, int, int], loss: nn.Module, metered: bool) -> None:
        torch.manual_seed(0)
        self.network = UNet(NetworkSettings(1, 4, ENCODER, DECODER, KERNELS, POOLS))
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)
        self.images = torch.randn(2, 1, *grid)
        self.labels = torch.zeros(2, *grid, dtype=torch.uint8)
        for label in (1, 2, 3):  # a block of 2 % of the voxels each
            x, y, z = (label * size // 5 for size in grid)
            self.labels[:, x : x + grid[0] // 4, y : y + grid[1] // 4, z : z + grid[2] // 3] = label
        self.loss, self.inside = loss, 0.0
        self.meter = PushMeter(loss, ["LV", "MYO", "RV"]) if metered else None

    def run(self, annotated: Tensor | None) -> float:
        """Seconds of processor time; those within the meter are added to `inside`."""
        labels = self.labels
        if annotated is not None:  # what is not annotated stands there as background
            labels = labels.clone()
            labels[0][labels[0] == 2] = 0
        start = time.process_time()
        for _ in range(STEPS):
            logits = self.network(self.images)
            self.optimizer.zero_grad()
            loss = self.loss(logits, labels, annotated)
            if self.meter:
                begun = time.process_time()
                self.meter.add(logits, labels, annotated)
                self.inside += time.process_time() - begun
            loss.backward()
            self.optimizer.step()
        if self.meter:
            begun = time.process_time()
            self.meter.take()
            self.inside += time.process_time() - begun
        return time.process_time() - start


def measure(grid: str, name: str, pairs: int) -> str:
    """A line of the table."""
    make, annotated = LOSSES[name]
    with_meter, without = (Block(GRIDS[grid], make(), metered) for metered in (True, False))
    with_meter.run(annotated)
    without.run(annotated)
    with_meter.inside, ratios, steps = 0.0, [], []
    for number in range(pairs):
        order = (with_meter, without) if number % 2 else (without, with_meter)
        times = {block: block.run(annotated) for block in order}
        ratios.append(times[with_meter] / times[without])
        steps.append(times[without] / STEPS)
    low, middle, high = statistics.quantiles(ratios, n=4)
    step = statistics.median(steps)
    inside = with_meter.inside / pairs / STEPS
    return (
        f"{grid}, {name}: step {1e3 * step:.1f} ms; with / without {middle:.4f} ({low:.4f} to "
        f"{high:.4f}); within the meter {1e3 * inside:.3f} ms, {100 * inside / step:.2f} %"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20, help="of blocks, at least 2")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for grid in GRIDS:
        for name in LOSSES:
            print(measure(grid, name, options.pairs), flush=True)


if __name__ == "__main__":
    main()

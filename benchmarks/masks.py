"""What masks cost the Dice loss: time with one to time without, side by side in one run.

    python benchmarks/masks.py
    python benchmarks/masks.py --threads 2 --repeats 40
    DICEGRAD_NATIVE=0 python benchmarks/masks.py       # without the native code
    python benchmarks/masks.py --device cuda

One repeat runs forward and backward of every form once, in turn. The table shows the median over
the repeats of time with a mask to time without in the same repeat, by the clock and of the
processor; on CUDA of the kernels too.
"""

import argparse

import numpy as np
import torch
from losses import device_ms, step, timed
from torch import Tensor

from dicegrad import DiceLoss
from dicegrad.losses.__main__ import cpu

SETTINGS = (
    ("softmax", (2, 4, 192, 192, 48), torch.int64, 1),
    ("sigmoid", (8, 1, 80, 80, 48), torch.uint8, 3),
    ("softmax", (2, 4, 32, 32, 8), torch.int64, 20),
)


def forms(activation: str, shape: tuple[int, ...], y: Tensor) -> dict:
    """What is timed: a loss and what it is told, by name."""
    annotated = torch.ones(shape[:2], dtype=torch.bool)
    annotated[0, -1] = False  # the last class of the first case
    annotated = annotated.to(y.device)
    mask = torch.rand(y.shape, device=y.device) > 0.1
    ignoring = DiceLoss("I", 1e-7, activation=activation, ignore_index=1)
    told = DiceLoss("I", 1e-7, activation=activation)
    found = {
        "without": (told, ()),
        "annotated": (told, (annotated,)),
        "mask": (told, (None, mask)),
        "annotated and mask": (told, (annotated, mask)),
        "ignore_index": (ignoring, ()),
    }
    if activation == "softmax":
        marginal = DiceLoss("I", 1e-7, activation=activation, unannotated="marginal")
        found["annotated, marginal"] = (marginal, (annotated,))
    return found


def measure(
    activation: str, shape: tuple[int, ...], labels: torch.dtype, repeats: int, device: str
) -> None:
    """Time every form in turn and print its ratios."""
    torch.manual_seed(0)
    logits = torch.randn(shape).to(device).requires_grad_()
    y = torch.randint(0, max(shape[1], 2), (shape[0], *shape[2:])).to(device, labels)
    found = forms(activation, shape, y)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for _ in range(repeats + 1):
        for name, (loss, told) in found.items():
            times[name].append(
                timed(lambda loss=loss, told=told: step(lambda p, y: loss(p, y, *told), logits, y))
            )
    print(f"\n{shape} {activation}, {str(labels).removeprefix('torch.')} labels")
    without = np.array(times["without"][1:])
    alone = {}
    if device == "cuda":
        for name, (loss, told) in found.items():
            alone[name] = device_ms(
                lambda loss=loss, told=told: step(lambda p, y: loss(p, y, *told), logits, y)
            )
    for name, pairs in times.items():
        ratio = np.median(np.array(pairs[1:]) / without, axis=0)
        milliseconds = np.median(np.array(pairs[1:]), axis=0)[0]
        line = f"{name:20} {milliseconds:8.3f} ms   {ratio[0]:.2f}   processor time {ratio[1]:.2f}"
        if alone:
            line += f"   device {alone[name]:.3f} ms   {alone[name] / alone['without']:.2f}"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, threads {options.threads}, {cpu()}")
    for activation, shape, labels, more in SETTINGS:
        measure(activation, shape, labels, options.repeats * more, options.device)


if __name__ == "__main__":
    main()

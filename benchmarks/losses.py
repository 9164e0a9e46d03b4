"""Time and peak memory of the Dice losses, side by side in one run.

    python benchmarks/losses.py                       # CPU, and CUDA where there is one
    python benchmarks/losses.py --threads 2 --repeats 20 --json benchmarks/results/losses.json

One repeat runs every implementation once, in turn, so that whatever else the machine does falls on
all of them alike; the table shows the median over the repeats, of forward and backward together.
Peak memory is what forward and backward add to what is there before (logits, labels): on the CPU
from the process's high-water mark, on CUDA from torch's allocator. The gradient itself is part of
it: nobody can do with less than the size of the logits.

MONAI and nnU-Net take part where they are installed.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from memory import peak_memory
from torch import Tensor

from dicegrad import DiceLoss

SHAPES = {"softmax": (2, 4, 192, 192, 48), "sigmoid": (8, 1, 80, 80, 48)}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Row:
    """One implementation in one setting; times in ms, memory in MB (10^6 bytes)."""

    device: str
    activation: str
    dtype: str
    labels: str
    implementation: str
    median_ms: float
    fastest_ms: float
    peak_mb: float
    logits_mb: float
    time_to_monai: float | None = None
    memory_to_monai: float | None = None
    share_of_copy: float | None = None


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


def implementations(activation: str) -> dict[str, Loss]:
    """Every implementation that is installed, by name."""
    found = {
        "MONAI": monai(activation),
        "nnU-Net": nnunet(activation),
        "plain formula": plain(activation),
        "dicegrad": DiceLoss("I", 1e-7, activation=activation),
    }
    return {name: loss for name, loss in found.items() if loss is not None}


def step(loss: Loss, logits: Tensor, y: Tensor) -> None:
    """One forward and backward; the gradient is freed at the end."""
    logits.grad = None
    loss(logits, y).backward()
    if logits.is_cuda:
        torch.cuda.synchronize()
    logits.grad = None


def timed(action: Callable[[], object]) -> float:
    """Milliseconds that the action takes."""
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1e3


def peak_of_three(loss: Loss, logits: Tensor, y: Tensor) -> float:
    """MB that one step adds at its highest point, the median of three."""
    return float(np.median([peak_memory(lambda: step(loss, logits, y), y.is_cuda) for _ in "123"]))


def least_bytes(logits: Tensor, y: Tensor) -> int:
    """What two passes must move: the logits twice, the labels twice, the gradient once."""
    return 3 * logits.nbytes + 2 * y.nbytes


def copy_rate(logits: Tensor) -> float:
    """Bytes per ms of a copy within the device's memory, read and write counted."""
    target = torch.empty_like(logits)
    source = logits.detach()

    def copy() -> None:
        target.copy_(source)
        if source.is_cuda:
            torch.cuda.synchronize()

    times = [timed(copy) for _ in range(20)]
    return 2 * logits.nbytes / float(np.median(times[5:]))


def measure(
    device: str, activation: str, dtype: str, labels: torch.dtype, repeats: int
) -> list[Row]:
    """All implementations in one setting, interleaved."""
    torch.manual_seed(0)
    shape = SHAPES[activation]
    logits = torch.randn(shape).to(device, DTYPES[dtype]).requires_grad_()
    y = torch.randint(0, max(shape[1], 2), (shape[0], *shape[2:])).to(device, labels)
    losses = implementations(activation)
    for loss in losses.values():
        step(loss, logits, y)
    times: dict[str, list[float]] = {name: [] for name in losses}
    for _ in range(repeats):
        for name, loss in losses.items():
            times[name].append(timed(lambda loss=loss: step(loss, logits, y)))
    peaks = {name: peak_of_three(loss, logits, y) for name, loss in losses.items()}
    rate = copy_rate(logits) if device == "cuda" else None
    rows, against = [], "MONAI" in losses
    monai_ms = float(np.median(times["MONAI"])) if against else 0.0
    for name in losses:
        median = float(np.median(times[name]))
        rows.append(
            Row(
                device,
                activation,
                dtype,
                str(labels).removeprefix("torch."),
                name,
                median,
                min(times[name]),
                peaks[name],
                logits.nbytes / 1e6,
                median / monai_ms if against else None,
                peaks[name] / peaks["MONAI"] if against else None,
                least_bytes(logits, y) / median / rate if rate else None,
            )
        )
    return rows


def show(rows: list[Row]) -> None:
    """Print one setting as a table."""
    first = rows[0]
    print(
        f"\n{first.device}, {SHAPES[first.activation]} {first.activation}, {first.dtype}, "
        f"{first.labels} labels, logits {first.logits_mb:.1f} MB"
    )
    print(f"{'':15}{'median ms':>10}{'fastest':>9}{'/ MONAI':>9}{'peak MB':>9}{'/ MONAI':>9}")
    for row in rows:
        ratio = ["" if r is None else f"{r:.2f}" for r in (row.time_to_monai, row.memory_to_monai)]
        line = f"{row.implementation:15}{row.median_ms:>10.1f}{row.fastest_ms:>9.1f}{ratio[0]:>9}"
        line += f"{row.peak_mb:>9.1f}{ratio[1]:>9}"
        if row.share_of_copy is not None:
            line += f"   {row.share_of_copy:.0%} of copy bandwidth"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--device", choices=["cpu", "cuda"], action="append")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/losses.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    devices = options.device or ["cpu"] + ["cuda"] * torch.cuda.is_available()
    about = {"torch": torch.__version__, "threads": options.threads, "machine": platform.machine()}
    if "cuda" in devices:
        about["gpu"] = torch.cuda.get_device_name()
    rows = []
    for device in devices:
        for activation in SHAPES:
            for dtype in DTYPES:
                labels = torch.int64 if activation == "softmax" else torch.uint8
                found = measure(device, activation, dtype, labels, options.repeats)
                show(found)
                rows += found
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({**about, "rows": [asdict(r) for r in rows]}, indent=1))
    print(f"\n{options.json}")


if __name__ == "__main__":
    main()

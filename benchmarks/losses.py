"""Time and peak memory of the Dice losses, side by side in one run.

    python benchmarks/losses.py                       # CPU, and CUDA where there is one
    python benchmarks/losses.py --threads 2 --repeats 20 --json benchmarks/results/losses.json
    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 DICEGRAD_CPU=avx2 python benchmarks/losses.py

One repeat runs every implementation once, in turn, so that whatever else the machine does falls on
all of them alike. The table shows, of forward and backward together, the median over the repeats,
the fastest, and the median processor time of all threads, which a busy machine changes least.
On CUDA, "device ms" is the time of the kernels alone: in a training the host prepares the next ones
while those run. The share of the copy bandwidth is that of the device time.
Peak memory is what forward and backward add to what is there before (logits, labels): on the CPU
from the process's high-water mark, on CUDA from torch's allocator. The gradient itself is part of
it: nobody can do with less than the size of the logits.

The second line shows on a newer processor what one with AVX2 computes with. MONAI, nnU-Net, kornia
and segmentation-models-pytorch (smp) take part where they are installed; what is not is named.
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
from other_losses import OTHERS, Loss
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from dicegrad import DiceLoss
from dicegrad.losses.__main__ import cpu

# Activation, shape, labels, and how many times as many repeats as asked for.
SETTINGS = (
    ("softmax", (2, 4, 192, 192, 48), torch.int64, 1),
    ("sigmoid", (8, 1, 80, 80, 48), torch.uint8, 3),
    ("softmax", (2, 4, 32, 32, 8), torch.int64, 20),
)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Row:
    """One implementation in one setting; times in ms, memory in MB (10^6 bytes)."""

    device: str
    activation: str
    shape: tuple[int, ...]
    dtype: str
    labels: str
    implementation: str
    median_ms: float
    fastest_ms: float
    cpu_ms: float
    peak_mb: float
    logits_mb: float
    time_to_monai: float | None = None
    fastest_to_monai: float | None = None
    cpu_to_monai: float | None = None
    memory_to_monai: float | None = None
    device_ms: float | None = None
    device_to_monai: float | None = None
    share_of_copy: float | None = None


def implementations(activation: str) -> dict[str, Loss]:
    """Every implementation that is installed and has such a loss, by name."""
    found = {name: make(activation) for name, make in OTHERS.items()}
    found["dicegrad"] = DiceLoss("I", 1e-7, activation=activation)
    return {name: loss for name, loss in found.items() if loss is not None}


def step(loss: Loss, logits: Tensor, y: Tensor) -> None:
    """One forward and backward; the gradient is freed at the end."""
    logits.grad = None
    loss(logits, y).backward()
    if logits.is_cuda:
        torch.cuda.synchronize()
    logits.grad = None


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds that the action takes, by the clock and of all processors together."""
    start, cpu_start = time.perf_counter(), time.process_time()
    action()
    return (time.perf_counter() - start) * 1e3, (time.process_time() - cpu_start) * 1e3


def peak_of_three(loss: Loss, logits: Tensor, y: Tensor) -> float:
    """MB that one step adds at its highest point, the median of three."""
    return float(np.median([peak_memory(lambda: step(loss, logits, y), y.is_cuda) for _ in "123"]))


def least_bytes(logits: Tensor, y: Tensor) -> int:
    """What two passes must move: the logits twice, the labels twice, the gradient once."""
    return 3 * logits.nbytes + 2 * y.nbytes


def device_ms(action: Callable[[], object], count: int = 10) -> float:
    """Milliseconds of all kernels of an action, the mean over some repeats."""
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        for _ in range(count):
            action()
    return sum(event.self_device_time_total for event in found.key_averages()) / 1e3 / count


def copy_rate(logits: Tensor) -> float:
    """Bytes per ms of a copy within the device's memory, read and write counted."""
    target = torch.empty_like(logits)
    source = logits.detach()

    return 2 * logits.nbytes / device_ms(lambda: target.copy_(source), 20)


def measure(
    device: str,
    activation: str,
    shape: tuple[int, ...],
    dtype: str,
    labels: torch.dtype,
    repeats: int,
) -> list[Row]:
    """All implementations in one setting, interleaved."""
    torch.manual_seed(0)
    logits = torch.randn(shape).to(device, DTYPES[dtype]).requires_grad_()
    y = torch.randint(0, max(shape[1], 2), (shape[0], *shape[2:])).to(device, labels)
    losses = implementations(activation)
    for loss in losses.values():
        step(loss, logits, y)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in losses}
    for _ in range(repeats):
        for name, loss in losses.items():
            times[name].append(timed(lambda loss=loss: step(loss, logits, y)))
    figures = {
        name: summary(times[name]) | {"peak": peak_of_three(loss, logits, y)}
        for name, loss in losses.items()
    }
    rate = None
    if device == "cuda":
        rate = copy_rate(logits)
        for name, loss in losses.items():
            figures[name]["device"] = device_ms(lambda loss=loss: step(loss, logits, y))
    about = (device, activation, shape, dtype, str(labels).removeprefix("torch."))
    return [
        Row(*about, name, **compared(own, figures.get("MONAI", {}), logits, y, rate))
        for name, own in figures.items()
    ]


def compared(
    own: dict[str, float], monai: dict[str, float], logits: Tensor, y: Tensor, rate: float | None
) -> dict[str, float | None]:
    """The numbers of a row: of an implementation, and to those of MONAI."""
    ratios = {key: own[key] / value for key, value in monai.items() if value > 0}
    return {
        "median_ms": own["median"],
        "fastest_ms": own["fastest"],
        "cpu_ms": own["cpu"],
        "peak_mb": own["peak"],
        "logits_mb": logits.nbytes / 1e6,
        "time_to_monai": ratios.get("median"),
        "fastest_to_monai": ratios.get("fastest"),
        "cpu_to_monai": ratios.get("cpu"),
        "memory_to_monai": ratios.get("peak"),
        "device_ms": own.get("device"),
        "device_to_monai": ratios.get("device"),
        "share_of_copy": least_bytes(logits, y) / own["device"] / rate if rate else None,
    }


def summary(times: list[tuple[float, float]]) -> dict[str, float]:
    """Median and fastest by the clock, and the median of the processor time."""
    clock, processor = np.array(times).T
    return {
        "median": float(np.median(clock)),
        "fastest": float(clock.min()),
        "cpu": float(np.median(processor)),
    }


def show(rows: list[Row]) -> None:
    """Print one setting as a table."""
    first = rows[0]
    print(
        f"\n{first.device}, {first.shape} {first.activation}, {first.dtype}, "
        f"{first.labels} labels, logits {first.logits_mb:.1f} MB"
    )
    names = ["median ms", "fastest", "CPU ms", "peak MB"] + ["device ms"] * (first.device == "cuda")
    print(" " * 15 + "".join(f"{name:>10}{'/ MONAI':>9}" for name in names))
    for row in rows:
        figures = [
            (row.median_ms, row.time_to_monai),
            (row.fastest_ms, row.fastest_to_monai),
            (row.cpu_ms, row.cpu_to_monai),
            (row.peak_mb, row.memory_to_monai),
        ]
        if row.device_ms is not None:
            figures.append((row.device_ms, row.device_to_monai))
        line = f"{row.implementation:15}"
        for value, ratio in figures:
            line += f"{value:>10.{2 if value > 1 else 3}f}" + (
                "" if ratio is None else f"{ratio:.2f}"
            ).rjust(9)
        if row.share_of_copy is not None:
            line += f"   {row.share_of_copy:.0%} of copy bandwidth"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--device", choices=["cpu", "cuda"], action="append")
    parser.add_argument("--dtype", choices=list(DTYPES), action="append")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/losses.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    devices = options.device or ["cpu"] + ["cuda"] * torch.cuda.is_available()
    about = {
        "torch": torch.__version__,
        "threads": options.threads,
        "machine": platform.machine(),
        "torch_instructions": torch.backends.cpu.get_cpu_capability(),
        "dicegrad_on_cpu": cpu(),
    }
    if "cuda" in devices:
        about["gpu"] = torch.cuda.get_device_name()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    for activation in ("softmax", "sigmoid"):
        left_out = sorted(OTHERS.keys() - implementations(activation).keys())
        print(
            f"{activation} without (not installed, or no such loss): {', '.join(left_out) or '-'}"
        )
    rows = []
    for device in devices:
        for activation, shape, labels, more in SETTINGS:
            for dtype in options.dtype or DTYPES:
                repeats = options.repeats * more
                found = measure(device, activation, shape, dtype, labels, repeats)
                show(found)
                rows += found
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({**about, "rows": [asdict(r) for r in rows]}, indent=1))
    print(f"\n{options.json}")


if __name__ == "__main__":
    main()

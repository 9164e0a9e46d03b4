"""Steps a second of a whole training, beside MONAI's and nnU-Net's ways, in one run.

    python benchmarks/training.py                              # the phantoms' networks, on a CPU
    python benchmarks/training.py heart acdc brats --repeats 3 # the paper's take seconds a step
    python benchmarks/training.py --device cuda                # all four, with the share of peak

A step is everything: drawing cases, augmentation, forward, loss, backward, optimiser. One repeat
runs one epoch of each implementation, in turn, so that whatever else the machine does falls on all
of them alike; the table shows medians over the repeats. The implementations are

- dicegrad: `dicegrad.training.run.Run`, as the workflow uses it;
- MONAI: the same network of torch's own layers, the same optimiser and precision, fed by MONAI's
  random transforms of the same kinds and strengths through its DataLoader, without workers and
  with some, and with MONAI's DiceLoss; then the same with the layers and the memory format of
  dicegrad, so that feeding and loss alone differ;
- nnU-Net: `nnUNetTrainer.train_step` itself (Dice and cross-entropy with deep supervision, clipped
  gradients, SGD) on nnU-Net's PlainConvUNet with as many levels, features, kernels and poolings as
  the network here. It is handed ready batches, so that its augmentation costs nothing;
- convolutions: forward and backward of the network's convolutions alone, the floor.

Images are noise of the size the network is trained on: no implementation looks at their values.
Processor time, which other programs hardly change, and peak memory, which is what an epoch adds to
the process (to torch's allocator on CUDA), leave loader processes out. MONAI comes with dicegrad's
tests. nnU-Net is left out where it is not installed; it wants an environment of its own:
`pip install -e . monai PyYAML nnunetv2`.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import yaml
from implementations import Epoch, convolutions, dicegrad, monai, nnunet
from memory import peak_memory
from torch.utils.flop_counter import FlopCounterMode

from dicegrad.study.experiment import Experiment
from dicegrad.training.dataset import PreparedData
from dicegrad.training.network import NetworkSettings, UNet
from dicegrad.training.numerics import numerics, settle
from dicegrad.training.objective import Wanted, make_objective
from dicegrad.training.run import Run, Split
from dicegrad.training.settings import TrainingSettings

DATASETS = Path(__file__).parents[1] / "config" / "datasets"
DEMO, PAPER = ("heart", "tumor"), ("acdc", "brats")
# Floating-point operations a second that the maker promises, dense, in 10^12.
PEAK = {
    "H100": {"bfloat16": 989, "tf32": 495, "float32": 67},
    "H200": {"bfloat16": 989, "tf32": 495, "float32": 67},
    "A100": {"bfloat16": 312, "tf32": 156, "float32": 19.5},
}


@dataclass(frozen=True)
class Row:
    """One implementation with one network."""

    device: str
    network: str
    batch_size: int
    implementation: str
    steps_per_s: float
    cases_per_s: float
    to_dicegrad: float
    cpu_ms: float
    peak_mb: float
    share_of_peak: float | None


def make_run(name: str, options: argparse.Namespace) -> Run:
    """A training of a shipped dataset's network on images of noise."""
    settings = yaml.safe_load((DATASETS / f"{name}.yaml").read_text())
    size, classes = settings["preprocessing"]["size"], settings["classes"]
    channels = {"acdc": 1, "brats": 4}[settings["adapter"]]
    device = torch.device(options.device)
    batch_size = 8 if name == "brats" and device.type == "cuda" else 2
    count = batch_size * (options.steps or (24 if name in DEMO or device.type == "cuda" else 1))
    generator = torch.Generator().manual_seed(0)
    image = torch.randn((count, channels, *size), generator=generator).half()
    label = torch.randint(0, len(classes) + 1, (count, *size), generator=generator)
    names = tuple(map(str, range(count)))
    row = Experiment(name, "full", "dice", "I", "1e-7", batch_size)
    data = PreparedData(image.to(device), label.to(device, torch.uint8), names, tuple(classes))
    training = settings["training"] | {
        "passes": 1,
        "precision": options.precision,
        "deterministic": not options.fastest,
        "compile": options.compile,
    }
    return Run(
        data,
        Split(tuple(range(count)), (0,)),
        NetworkSettings.from_dict(settings["network"], channels, len(classes)),
        settle(TrainingSettings.from_dict(training), device),
        make_objective(Wanted(row, 1e-7, tuple(classes))),
        batch_size,
        0,
    )


def operations(run: Run) -> int:
    """Floating-point operations of a step, counted on tensors without values."""
    size = run.data.images.shape[1:]
    with torch.device("meta"):
        network = UNet(run.network.settings)
        image = torch.empty(run.batch_size, *size)
    with FlopCounterMode(display=False) as counter:
        network(image).sum().backward()
    return counter.get_total_flops()


def implementations(run: Run, options: argparse.Namespace) -> dict[str, Epoch]:
    """Every implementation that is installed, by name."""
    found = {
        "dicegrad": dicegrad(run),
        "MONAI, no workers": monai(run, 0, own_layers=True),
        f"MONAI, {options.workers} workers": monai(run, options.workers, own_layers=True),
        "MONAI, no workers, layers of dicegrad": monai(run, 0, own_layers=False),
        f"MONAI, {options.workers} workers, layers of dicegrad": monai(
            run, options.workers, own_layers=False
        ),
        "nnU-Net's step": nnunet(run),
        "convolutions alone": convolutions(run),
    }
    return {name: epoch for name, epoch in found.items() if epoch is not None}


def timed(epoch: Epoch, device: str) -> tuple[float, float]:
    """Steps a second of one epoch, and milliseconds of processor time a step."""
    start, processor = time.perf_counter(), time.process_time()
    steps = epoch()
    if device == "cuda":
        torch.cuda.synchronize()
    spent = time.process_time() - processor
    return steps / (time.perf_counter() - start), 1e3 * spent / steps


def measure(name: str, options: argparse.Namespace) -> tuple[list[Row], dict[str, object]]:
    """All implementations with one network, interleaved; and what a step is."""
    run = make_run(name, options)
    epochs = implementations(run, options)
    times: dict[str, list[tuple[float, float]]] = {key: [] for key in epochs}
    with numerics(run.settings, run.data.device):
        on_gpu = options.device == "cuda"
        peaks = {key: peak_memory(epoch, on_gpu) for key, epoch in epochs.items()}
        for _ in range(options.repeats):
            for key, epoch in epochs.items():
                times[key].append(timed(epoch, options.device))
    flops, promised = operations(run), peak_rate(run.settings.precision, options)
    medians = {key: np.median(found, axis=0).tolist() for key, found in times.items()}
    ours, _ = medians["dicegrad"]
    rows = []
    for key in epochs:
        median, cpu_ms = medians[key]
        share = flops * median / promised if promised and key == "dicegrad" else None
        cases = median * run.batch_size
        row = (options.device, name, run.batch_size, key, median, cases, median / ours)
        rows.append(Row(*row, cpu_ms, peaks[key], share))
    about = {"flops_per_step": flops, "precision": run.settings.precision}
    return rows, about


def peak_rate(precision: str, options: argparse.Namespace) -> float | None:
    """Operations a second that the device is said to reach."""
    if options.peak:
        return options.peak * 1e12
    if options.device == "cuda":
        for name, rates in PEAK.items():
            if name in torch.cuda.get_device_name():
                return rates[precision] * 1e12
    return None


def show(rows: list[Row], about: dict[str, object]) -> None:
    """Print one network as a Markdown table."""
    first = rows[0]
    print(
        f"\n{first.network} on {first.device}, {about['precision']}, batches of "
        f"{first.batch_size}, {about['flops_per_step'] / 1e9:.2f} GFLOP a step\n"
    )
    print("| | steps/s | cases/s | to dicegrad | CPU ms/step | peak MB | share of peak FLOP/s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        share = "" if row.share_of_peak is None else f"{row.share_of_peak:.0%}"
        print(
            f"| {row.implementation} | {row.steps_per_s:.3g} | {row.cases_per_s:.3g} "
            f"| {row.to_dicegrad:.2f} | {row.cpu_ms:.1f} | {row.peak_mb:.0f} | {share} |",
            flush=True,
        )


FIRST_STEP = """
import sys, time
start = time.perf_counter()
sys.path.insert(0, sys.argv[1])
import dicegrad.training.experiment
from training import arguments, make_run
next(make_run(sys.argv[2], arguments(sys.argv[3:])).steps())
print(time.perf_counter() - start)
"""


def start_up(name: str) -> float:
    """Seconds from the first import to the end of the first step, in a process of its own."""
    command = [sys.executable, "-c", FIRST_STEP, str(Path(__file__).parent), name, *sys.argv[1:]]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", help="of acdc, brats, heart, tumor, acdc-lowres")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of the training (default: 2)")
    parser.add_argument("--workers", type=int, default=2, help="of MONAI's loader (default: 2)")
    parser.add_argument("--repeats", type=int, default=7, help="epochs to time (default: 7)")
    parser.add_argument("--steps", type=int, help="of an epoch (default: 24; 1 for acdc on a CPU)")
    parser.add_argument("--precision", default="auto", help="auto, float32, tf32, bfloat16")
    parser.add_argument("--fastest", action="store_true", help="not deterministic")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument("--peak", type=float, help="TFLOP/s of the device, if it is not known here")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/training.json"))
    return parser.parse_args(words)


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    about = {"torch": torch.__version__, "threads": options.threads, "machine": platform.machine()}
    if options.device == "cuda":
        about["gpu"] = torch.cuda.get_device_name()
        about["cudnn"] = torch.backends.cudnn.version()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    for package in ("monai", "nnunetv2"):
        if find_spec(package) is None:
            print(f"without {package}: pip install {package} (nnunetv2 into another environment)")
    networks = options.networks or (DEMO if options.device == "cpu" else DEMO + PAPER)
    about["start_up_s"] = float(np.median([start_up(networks[0]) for _ in range(3)]))
    print(f"start-up, from import to first step, {networks[0]}: {about['start_up_s']:.1f} s")
    rows = []
    for name in networks:
        found, step = measure(name, options)
        show(found, step)
        about[name] = step
        rows += found
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({**about, "rows": [asdict(r) for r in rows]}, indent=1))
    print(f"\n{options.json}")


if __name__ == "__main__":
    main()

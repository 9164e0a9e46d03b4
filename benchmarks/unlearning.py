"""Train small networks on a phantom of which one group was never drawn, under several losses.

Every line says what became of the class there: the volume that is predicted, and the DSC against
the labels that the training did not see; and when the push meter warned.

    python benchmarks/unlearning.py runs.tsv --shares 0.25 0.5 0.75 --seeds 0 1 2
    python benchmarks/unlearning.py runs.tsv --tables   # forecast beside outcome, and lead times
"""

import argparse
import csv
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dicegrad.advice.forecast import push_ratio, verdict
from dicegrad.advice.forecast_losses import HEURISTIC, Candidate
from dicegrad.advice.forecast_text import percent
from dicegrad.losses import CrossEntropyLoss, DiceCELoss, DiceLoss, LeafDiceLoss
from dicegrad.losses.push_meter import make_meter, warnings
from dicegrad.training.network import NetworkSettings, UNet

SIZE = (16, 16, 8)
CASES, BATCH, STEPS, EVERY = 24, 2, 240, 10
SIGMOID = "sigmoid"
Maker = dict[str, nn.Module]


def losses(heuristic: float) -> Maker:
    """By name, with the epsilon heuristic of the labels that are trained on."""
    return {
        "I": DiceLoss("I", 1e-7, activation=SIGMOID),
        "BI": DiceLoss("BI", 1e-7, activation=SIGMOID),
        "I-epsilon": DiceLoss("I", heuristic, activation=SIGMOID),
        "I, epsilon 1": DiceLoss("I", 1.0, activation=SIGMOID),
        "I + CE": DiceCELoss("I", 1e-5, activation=SIGMOID),
        "BI + CE": DiceCELoss("BI", 1e-5, activation=SIGMOID),
        "CE": CrossEntropyLoss(activation=SIGMOID),
        "leaf": LeafDiceLoss(activation=SIGMOID),
        "BI, ignored": DiceLoss("BI", 1e-7, activation=SIGMOID),
    }


def phantom(seed: int, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """Images (N, 1, ...), labels (N, ...) as they are, and which cases are of the group (N,).

    A bright ball in noise; in the group the ground is brighter, as from another scanner.
    """
    random = np.random.default_rng(seed)
    axes = np.stack(np.meshgrid(*map(np.arange, SIZE), indexing="ij")).astype(float)
    images, labels = [], []
    group = np.arange(CASES) < round(share * CASES)
    for number in range(CASES):
        radius = random.uniform(2.2, 3.4)
        centre = [random.uniform(radius, size - 1 - radius) for size in SIZE]
        if number % 2:  # a darker distractor that is nothing
            other = [random.uniform(2, size - 3) for size in SIZE]
        label = sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) <= radius**2
        image = 0.5 * group[number] + label + 0.4 * random.standard_normal(SIZE)
        if number % 2:
            image += 0.5 * (sum((a - c) ** 2 for a, c in zip(axes, other, strict=True)) <= 4)
        images.append(image)
        labels.append(label)
    order = random.permutation(CASES)
    tensor = torch.from_numpy(np.stack(images)[order]).float().unsqueeze(1)
    return tensor, torch.from_numpy(np.stack(labels)[order]).byte(), torch.from_numpy(group[order])


def train(name: str, share: float, seed: int, steps: int = STEPS) -> dict[str, object]:
    """One run, as a row."""
    images, labels, group = phantom(seed, share)
    given = labels * ~group[:, None, None, None]
    heuristic = float(given.flatten(1).sum(1).double().mean())
    loss = losses(heuristic)[name]
    torch.manual_seed(seed)
    layers = {"encoder": ((4, 4), (8, 8)), "decoder": ((4, 4),), "pools": ((2, 2, 2),)}
    network = UNet(NetworkSettings(1, 1, kernels=((3, 3, 3), (3, 3, 3)), **layers))
    optimizer = torch.optim.Adam(network.parameters(), 8e-3)
    meter = make_meter(loss, ["a"])
    rows, curve, warned, started = [], [], math.nan, time.perf_counter()
    random = np.random.default_rng(seed)
    cases = np.concatenate([random.permutation(CASES) for _ in range(steps * BATCH // CASES + 1)])
    for step in range(1, steps + 1):
        batch = torch.from_numpy(cases[(step - 1) * BATCH : step * BATCH])
        annotated = ~group[batch][:, None] if "ignored" in name else None
        logits = network(images[batch])
        optimizer.zero_grad()
        loss(logits, given[batch], annotated).backward()
        optimizer.step()
        if meter:
            meter.add(logits, given[batch], annotated)
        if step % EVERY == 0:
            curve.append((step, *_outcome(network, images, labels, group)))
            if meter:
                rows.append({"step": step, **meter.take()})
                if math.isnan(warned) and warnings(rows, ["a"]):
                    warned = step
    return {
        "curve": [list(each) for each in curve],
        "meter": rows,
        "loss": name,
        "share": share,
        "seed": seed,
        "batch_size": BATCH,
        "median_voxels": float(given[~group].flatten(1).sum(1).double().median()),
        "heuristic": heuristic,
        **{k: curve[-1][i] for i, k in enumerate(("", "volume", "dsc", "dsc_annotated")) if k},
        "dsc_peak": max(each[2] for each in curve),
        "warned": warned,
        "fell": _fell(curve),
        "seconds": round(time.perf_counter() - started, 1),
    }


@torch.no_grad()
def _outcome(
    network: nn.Module, images: Tensor, labels: Tensor, group: Tensor
) -> tuple[float, float, float]:
    """Predicted by true volume in the group, its mean DSC, and that of the others."""
    network.eval()
    p = (network(images)[:, 0] > 0).flatten(1)
    network.train()
    y = labels.flatten(1) > 0
    dsc = 2 * (p & y).sum(1) / (p.sum(1) + y.sum(1))
    volume = p[group].sum() / y[group].sum()
    return float(volume), float(dsc[group].mean()), float(dsc[~group].mean())


def _fell(curve: list[tuple[int, float, float, float]]) -> float:
    """The step from which the DSC of the group stays below half of its peak; NaN if it does not."""
    peak = max(range(len(curve)), key=lambda i: curve[i][2])
    if curve[peak][2] < 0.3:
        return math.nan
    for i in range(peak, len(curve)):
        if all(each[2] < curve[peak][2] / 2 for each in curve[i:]):
            return curve[i][0]
    return math.nan


CANDIDATES = {
    "I": Candidate("I"),
    "BI": Candidate("BI", "BI"),
    "I-epsilon": Candidate("I-epsilon", epsilon=HEURISTIC),
    "I, epsilon 1": Candidate("I, epsilon 1", epsilon=1.0),
    "I + CE": Candidate("I + CE", epsilon=1e-5, cross_entropy=1.0),
    "BI + CE": Candidate("BI + CE", "BI", 1e-5, cross_entropy=1.0),
    "CE": Candidate("CE", None, dice=0.0, cross_entropy=1.0),
    "leaf": Candidate("leaf", inferred=True),
    "BI, ignored": Candidate("BI, ignored", "BI", mask=True),
}


def tables(path: Path) -> None:
    """Print forecast beside outcome, and when the meter warned before the DSC fell."""
    with path.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    print("| loss | missing | seed | push | forecast | predicted volume | outcome |")
    for row in sorted(rows, key=lambda r: (r["loss"], r["share"], r["seed"])):
        share = float(row["share"])
        median, mean = float(row["median_voxels"]), float(row["heuristic"])
        loss, size = CANDIDATES[row["loss"]], float(np.prod(SIZE))
        ratio = push_ratio(loss, "missing", median, size, BATCH, share, mean)
        volume, learnt = float(row["volume"]), float(row["dsc_annotated"]) > 0.3
        outcome = "learn" if volume <= 0.25 else "ignore" if volume >= 0.75 else "torn"
        outcome = outcome if learnt else "nothing learnt yet"
        told = [row["loss"], f"{100 * share:.0f} %", row["seed"], percent(ratio), verdict(ratio)]
        print("|", " | ".join([*told, f"{100 * volume:.0f} %", outcome]), "|")
    print("| loss | missing | seed | first warning | second warning | DSC fell at | lead |")
    for line in path.with_suffix(".jsonl").read_text().splitlines():
        found = json.loads(line)
        lines = [
            (row["step"], told)
            for count, row in enumerate(found["meter"], start=1)
            for told in warnings(found["meter"][:count], ["a"])
        ]
        first = min((step for step, _ in lines), default=math.nan)
        second = min((step for step, told in lines if "fell from" in told), default=math.nan)
        name, share, seed = found["run"]
        fell = _fell(found["curve"])
        print(
            "|", " | ".join(map(str, (name, share, seed, first, second, fell, fell - first))), "|"
        )


def main() -> None:
    """Run the table, row by row; rows that are there are not run again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--losses", nargs="+", default=list(losses(1.0)))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--tables", action="store_true", help="print what the runs showed")
    options = parser.parse_args()
    if options.tables:
        tables(options.out)
        return
    torch.set_num_threads(1)
    done = set()
    if options.out.exists():
        with options.out.open() as file:
            done = {
                (r["loss"], float(r["share"]), int(r["seed"]))
                for r in csv.DictReader(file, delimiter="\t")
            }
    for seed in options.seeds:
        for share in options.shares:
            for name in options.losses:
                if (name, share, seed) in done:
                    continue
                row = train(name, share, seed, options.steps)
                curves = {k: row.pop(k) for k in ("curve", "meter")} | {"run": [name, share, seed]}
                with options.out.with_suffix(".jsonl").open("a") as file:
                    print(json.dumps(curves), file=file)
                fresh = not options.out.exists()
                with options.out.open("a") as file:
                    writer = csv.DictWriter(file, list(row), delimiter="\t")
                    if fresh:
                        writer.writeheader()
                    writer.writerow(row)
                print(row, flush=True)


if __name__ == "__main__":
    main()

"""Make the figures and numbers of docs/dice-or-cross-entropy.md, in seconds.

    python docs/make_cross_entropy_figures.py

Everything is measured with the losses of the package. Figures go to docs/figures/, the numbers of
the text to docs/figures/cross_entropy.tsv.
"""

from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import Tensor, nn

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from dicegrad import CrossEntropyLoss, DiceLoss, GeneralizedDiceLoss

FIGURES = Path(__file__).parent / "figures"
VOXELS = 80 * 80 * 48
MEAN = 8789  # the object size that fixed class weights are made for
SIZES = np.unique(np.geomspace(10, 100_000, 17).round().astype(int))
STYLES = {
    "CE": ("0.45", "-"),
    "CE, weights of the dataset": ("#e39a3b", "-"),
    "CE, weights of this image": ("#e39a3b", ":"),
    "Dice, object alone": ("#1f6fb4", "-"),
    "Dice, with background": ("#1f6fb4", "--"),
    "generalised Dice": ("#c8322b", "-"),
}


def losses(size: int) -> dict[str, nn.Module]:
    """The losses that are compared, on two softmax channels: background, object."""
    return {
        "CE": CrossEntropyLoss(),
        "CE, weights of the dataset": CrossEntropyLoss(weight=inverse(MEAN)),
        "CE, weights of this image": CrossEntropyLoss(weight=inverse(size)),
        "Dice, object alone": DiceLoss(activation="softmax", include_background=False),
        "Dice, with background": DiceLoss(activation="softmax"),
        "generalised Dice": GeneralizedDiceLoss(activation="softmax"),
    }


def inverse(size: int) -> list[float]:
    """Class weights inverse to the share of voxels: background, object."""
    return [VOXELS / (VOXELS - size) / 2, VOXELS / size / 2]


def object_in_volume(size: int, inside: float, outside: float) -> tuple[Tensor, Tensor]:
    """Logits (1, 2, VOXELS) that give the object these probabilities, and the label map."""
    y = torch.zeros(1, VOXELS, dtype=torch.uint8)
    y[:, :size] = 1
    p = torch.where(y == 1, inside, outside).double()
    return torch.stack([(1 - p).log(), p.log()], 1), y


def pulls(loss: nn.Module, logits: Tensor, y: Tensor) -> tuple[float, float]:
    """Sum over the object, and over the background, of the gradient by the object's logit."""
    logits = logits.clone().requires_grad_()
    loss(logits, y).backward()
    size = logits.grad[:, 1].abs()
    return size[y == 1].sum().item(), size[y == 0].sum().item()


def draw_pull(note: dict[str, float]) -> None:
    """Total pull on an object against its size, at the start and when the volume is about right."""
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4), sharey=True)
    moments = {"start: probability 1/2 everywhere": False, "later: predicted volume = true": True}
    for axis, (title, later) in zip(axes, moments.items(), strict=True):
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in STYLES}
        for size in SIZES:
            outside = 0.5 * size / (VOXELS - size) if later else 0.5
            logits, y = object_in_volume(int(size), 0.5, outside)
            for name, loss in losses(int(size)).items():
                found[name].append(pulls(loss, logits, y))
        for name, values in found.items():
            inside, background = np.array(values).T
            color, line = STYLES[name]
            axis.loglog(SIZES, inside, line, color=color, label=name)
            moment = "later" if later else "start"
            small, large = np.interp([100, 10_000], SIZES, inside)
            note[f"{moment}, {name}: pull on 10000 voxels / pull on 100"] = large / small
            balance = np.interp(100, SIZES, background / inside)
            note[f"{moment}, {name}: background push / pull on 100 voxels"] = balance
        axis.set(title=title, xlabel="true volume of the object [voxels]")
    axes[0].set(ylabel="total pull on the object", ylim=(3e-6, 3))
    axes[1].legend(fontsize=8, loc="lower right")
    save(figure, "pull_on_an_object")


def four_classes(later: bool) -> tuple[Tensor, Tensor]:
    """Background and organs of 6000, 1000 and 200 voxels: probability 1/4, or 0.6 in each organ."""
    y = torch.zeros(1, VOXELS, dtype=torch.int64)
    start = 0
    for label, size in enumerate((6000, 1000, 200), start=1):
        y[:, start : start + size] = label
        start += size
    p = torch.full((1, 4, VOXELS), 0.01 / 3, dtype=torch.float64)
    p[:, 0][y == 0] = 0.99
    for label in (1, 2, 3):
        own = (y == label).squeeze()
        p[:, :, own] = 0.01
        p[:, label, own], p[:, 0, own] = 0.6, 0.38
    return (p if later else torch.full_like(p, 0.25)).log(), y


def share_of_classes(later: bool) -> dict[str, np.ndarray]:
    """Total gradient on the voxels of each class, by the logit of their own class, per loss."""
    logits, y = four_classes(later)
    compared = {
        "CE": CrossEntropyLoss(),
        "Dice, mean of 4\n(with background)": DiceLoss(activation="softmax"),
        "Dice, mean of 3": DiceLoss(activation="softmax", include_background=False),
        "generalised\nDice": GeneralizedDiceLoss(activation="softmax"),
    }
    totals = {}
    for name, loss in compared.items():
        leaf = logits.clone().requires_grad_()
        loss(leaf, y).backward()
        own = leaf.grad.gather(1, y[:, None])[:, 0].abs()
        totals[name] = np.array([own[y == label].sum().item() for label in range(4)])
    return totals


def draw_four_classes(note: dict[str, float]) -> None:
    """Share of the gradient that the voxels of each class receive."""
    names = ["background", "6000 voxels", "1000 voxels", "200 voxels"]
    figure, axes = plt.subplots(1, 2, figsize=(11.5, 3.6), sharey=True)
    for axis, moment in zip(axes, ("start", "later"), strict=True):
        totals = share_of_classes(moment == "later")
        for label, color in enumerate(("0.7", "#9ecae1", "#4292c6", "#08519c")):
            shares = [values[label] / values.sum() for values in totals.values()]
            place = np.arange(4) + 0.2 * (label - 1.5)
            axis.bar(place, shares, 0.2, color=color, label=names[label])
        for name, values in totals.items():
            start = f"four classes, {moment}, {name.replace(chr(10), ' ')}, share of"
            note |= {f"{start} {n}": v / values.sum() for n, v in zip(names, values, strict=True)}
        four, three = list(totals.values())[1:3]
        start = f"four classes, {moment}, gradient with background / without,"
        note |= {f"{start} {n}": a / b for n, a, b in zip(names, four, three, strict=True)}
        axis.set_xticks(range(4), list(totals), fontsize=8.5)
        axis.set(ylim=(0, 1.05), title={"start": "start: 1/4 everywhere"}.get(moment, moment))
    axes[0].set(ylabel="share of the gradient")
    axes[1].set(title="later: 0.6 inside every organ")
    axes[1].legend(fontsize=8, title="voxels of", title_fontsize=8, ncol=2)
    save(figure, "four_classes")


def noisy(size: int, draws: int, seed: int) -> tuple[Tensor, Tensor]:
    """Predictions of one class that miss each voxel with 10 % and add one elsewhere for it."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.zeros(draws, 2 * size)
    y[:, :size] = 1
    hit = torch.rand(draws, 2 * size, generator=generator)
    return torch.where(y == 1, hit < 0.9, hit < 0.1).float(), y


def draw_variance(note: dict[str, float]) -> None:
    """Spread of the loss when nothing but chance differs, against the size of the small class."""
    batches, large = 200, 2000
    sizes = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000])
    compared = {
        "Dice of the small class alone (I)": ("#1f6fb4", ":", DiceLoss("I")),
        "Dice, mean of both (I)": ("#1f6fb4", "-", DiceLoss("I")),
        "Dice, mean of both (BI)": ("#1f6fb4", "--", DiceLoss("BI")),
        "generalised Dice, 1 / volume": ("#e39a3b", "-", GeneralizedDiceLoss(weighting="simple")),
        "generalised Dice, 1 / volume$^2$": ("#c8322b", "-", GeneralizedDiceLoss()),
    }
    big = noisy(large, 8 * batches, 2)
    spread: dict[str, list[float]] = {name: [] for name in compared}
    for size in sizes:
        found = noisy(int(size), 8 * batches, 1)
        small = [torch.zeros_like(maps) for maps in big]
        for maps, values in zip(small, found, strict=True):
            maps[:, : 2 * size] = values
        p, y = (torch.stack(pair, 1) for pair in zip(big, small, strict=True))
        for name, (_, _, loss) in compared.items():
            first = 1 if "alone" in name else 0
            parts = zip(p[:, first:].split(8), y[:, first:].split(8), strict=True)
            spread[name].append(torch.stack([loss(a, b) for a, b in parts]).std().item())
            note[f"spread, {name.replace('$^2$', '^2')}, {size} voxels"] = spread[name][-1]
    figure, axis = plt.subplots(figsize=(6.8, 4))
    for name, (color, line, _) in compared.items():
        axis.loglog(sizes, spread[name], line, marker=".", color=color, label=name)
    axis.set(xlabel="true volume of the small class [voxels]", ylim=(2e-4, 0.3))
    axis.set(ylabel="standard deviation of the loss\nof a batch of 8")
    axis.legend(fontsize=8, loc="lower left")
    save(figure, "spread_of_small_objects")


def note_single_voxel(note: dict[str, float]) -> None:
    """Loss of missing one voxel of an object, and of missing half of a large one."""
    for size in (1, 2, 10, 1000):
        p, y = torch.ones(1, 1, size), torch.ones(1, 1, size)
        p[..., 0] = 0
        note[f"one voxel of {size} missed"] = DiceLoss()(p, y).item()
    p, y = torch.ones(1, 1, 1000), torch.ones(1, 1, 1000)
    p[..., :500] = 0
    note["half of 1000 voxels missed"] = DiceLoss()(p, y).item()


def save(figure: plt.Figure, name: str) -> None:
    """Write one figure."""
    figure.tight_layout()
    figure.savefig(FIGURES / f"{name}.png", dpi=110, bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    """Draw everything and write the numbers."""
    FIGURES.mkdir(exist_ok=True)
    note: dict[str, float] = {}
    draw_pull(note)
    draw_four_classes(note)
    draw_variance(note)
    note_single_voxel(note)
    rows = [f"{name}\t{value:.4g}" for name, value in note.items()]
    (FIGURES / "cross_entropy.tsv").write_text("\n".join(["number\tvalue", *rows]) + "\n")


if __name__ == "__main__":
    main()

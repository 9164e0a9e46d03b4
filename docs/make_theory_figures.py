"""Make the figures and numbers of docs/theory.md, in seconds.

    python docs/make_theory_figures.py

Every curve is `dice_gradient` of maps with as many voxels as the paper's BRATS maps; the closed
forms of the text are checked against it on the way. Figures go to docs/figures/, the numbers of the
text to docs/figures/theory.tsv.
"""

from math import comb
from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import Tensor

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Polygon

from dicegrad import dice_gradient, solve_epsilon

FIGURES = Path(__file__).parent / "figures"
GREY, BLUE, RED, ORANGE = "#7a7a7a", "#1f6fb4", "#c8322b", "#e39a3b"
VOLUME = 8789  # the paper's mean BRATS tumor with the LGG labels missing, in 2 mm voxels
VOXELS = 80 * 80 * 48  # one BRATS map
Case = tuple[int, int, float]  # true volume, predicted volume, overlap as a share of the smaller
FILLED: Case = (VOLUME, VOLUME, 0.5)
EMPTY: Case = (0, VOLUME, 0.0)


def maps(cases: list[Case]) -> tuple[Tensor, Tensor]:
    """Prediction (B, 1, VOXELS) and label map (B, VOXELS) with these volumes."""
    p = torch.zeros(len(cases), 1, VOXELS, dtype=torch.float64)
    y = torch.zeros(len(cases), VOXELS, dtype=torch.uint8)
    for b, (true, predicted, overlap) in enumerate(cases):
        y[b, :true] = 1
        start = true - round(overlap * min(true, predicted))
        p[b, 0, start : start + predicted] = 1
    return p, y


def gradients(cases: list[Case], phi: str, epsilon: float) -> tuple[float, float]:
    """The two values of Eq. 4 in the last of the cases: where y is 0, and where y is 1 (or nan)."""
    p, y = maps(cases)
    last = dice_gradient(p, y, phi, epsilon)[-1, 0]
    inside = last[y[-1] == 1]
    return last[-1].item(), inside[0].item() if len(inside) else float("nan")


def draw_reductions() -> None:
    """Figure 1 of the paper: one example subset of each of the four families."""
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.9))
    chosen = {"I": {(1, 1)}, "CI": {(1, c) for c in range(3)}, "BI": {(b, 1) for b in range(3)}}
    chosen["BCI"] = {(b, c) for b in range(3) for c in range(3)}
    names = {"I": "image-wise", "CI": "class-wise", "BI": "batch-wise", "BCI": "all-wise"}
    for axis, (phi, subset) in zip(axes, chosen.items(), strict=True):
        draw_box(axis, subset)
        axis.set_title(f"{names[phi]}, $\\Phi$ = {phi}", fontsize=11)
    axes[0].annotate("batch B", (-0.25, 1.5), rotation=90, ha="center", va="center", fontsize=9)
    axes[0].annotate("class C", (1.5, -0.3), ha="center", va="center", fontsize=9)
    axes[0].annotate("voxel I", (3.75, 0.25), rotation=35, ha="center", va="center", fontsize=9)
    save(figure, "reductions")


def draw_box(axis: Axes, subset: set[tuple[int, int]]) -> None:
    """Three batch elements times three classes, each a bar of voxels that runs to the back."""
    back = np.array([1.3, 0.9])
    for b in range(3):
        for c in range(3):
            corner = np.array([c, 2 - b], float)  # the first batch element on top
            square = corner + np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
            faces = [square]
            if b == 0:
                faces.append(np.array([square[3], square[2], square[2] + back, square[3] + back]))
            if c == 2:
                faces.append(np.array([square[1], square[2], square[2] + back, square[1] + back]))
            color = BLUE if (b, c) in subset else "white"
            for face in faces:
                axis.add_patch(Polygon(face, facecolor=color, edgecolor="black", lw=0.8))
    axis.set(xlim=(-0.5, 4.5), ylim=(-0.6, 4.1), aspect="equal")
    axis.axis("off")


def draw_predicted_volume(note: dict[str, float]) -> None:
    """Gradient against the predicted volume, of an empty and of a filled map."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    volumes = np.unique(np.geomspace(1, VOXELS * 0.9, 40).round().astype(int))
    for epsilon, color in ((1e-7, "0.6"), (1, "0.4"), (100, "0.2"), (VOLUME, RED), (1e6, ORANGE)):
        found = np.array([gradients([(0, v, 0)], "I", epsilon)[0] for v in volumes])
        np.testing.assert_allclose(found, epsilon / (volumes + epsilon) ** 2, rtol=1e-9)
        left.loglog(volumes, found, color=color, label=f"$\\varepsilon$ = {epsilon:g}")
    left.loglog(
        volumes, 1 / (4 * volumes), "k:", lw=1.2, label="1 / (4v), no $\\varepsilon$ exceeds it"
    )
    left.set(title="empty map: push down", xlabel="predicted volume v [voxels]")
    left.set(ylabel="gradient of every voxel", ylim=(1e-19, 1e2))
    left.legend(fontsize=7.5, loc="lower left", ncol=2)
    volumes = volumes[volumes >= 100]
    for epsilon, color in ((1e-7, "0.4"), (VOLUME, RED)):
        pairs = [gradients([(VOLUME, v, 0.5)], "I", epsilon) for v in volumes]
        outside, inside = np.array(pairs).T
        name = "1e-07" if epsilon < 1 else "v = 8789"
        right.loglog(
            volumes, -inside, color=color, label=f"pull up, y = 1, $\\varepsilon$ = {name}"
        )
        right.loglog(
            volumes, outside, "--", color=color, label=f"push down, y = 0, $\\varepsilon$ = {name}"
        )
    right.axvline(VOLUME, color="0.8", lw=1, zorder=0)
    right.set(title=f"map with {VOLUME} true voxels, half overlap", ylabel="size of the gradient")
    right.set(xlabel="predicted volume v [voxels]", ylim=(1e-8, 1e-3))
    right.legend(fontsize=7.5, loc="lower center")
    note["empty map, I, epsilon 1e-7, v 8789"] = gradients([EMPTY], "I", 1e-7)[0]
    note["empty map, I, epsilon 8789, v 8789"] = gradients([EMPTY], "I", VOLUME)[0]
    note["filled map, BI, epsilon 1e-7, v 8789, y = 0"] = gradients([FILLED], "BI", 1e-7)[0]
    note["filled map, BI, epsilon 1e-7, v 8789, y = 1"] = gradients([FILLED], "BI", 1e-7)[1]
    save(figure, "predicted_volume")


def draw_empty_map(note: dict[str, float]) -> None:
    """Gradient of one empty map in a batch whose other maps are filled."""
    figure, axis = plt.subplots(figsize=(6.2, 3.8))
    sizes = range(1, 9)
    for name, phi, epsilon, color in (
        ("I", "I", 1e-7, GREY),
        ("BI", "BI", 1e-7, BLUE),
        ("I$_\\varepsilon$", "I", VOLUME, RED),
    ):
        found = [gradients([FILLED] * (size - 1) + [EMPTY], phi, epsilon)[0] for size in sizes]
        hollow = {"mfc": "none", "ms": 9} if color == RED else {"ms": 5}
        axis.semilogy(sizes, found, "o-", color=color, label=name, **hollow)
        plain = name[0] + name[1:].replace("$_\\varepsilon$", "_eps")
        note |= {f"empty map, {plain}, B {size}": found[size - 1] for size in (1, 2, 8)}
    axis.set(xlabel="batch size B (one map empty, B - 1 filled)", ylabel="gradient of every voxel")
    axis.set(ylim=(1e-17, 1e-2), title=f"empty map, predicted volume {VOLUME} voxels")
    axis.legend(loc="center right")
    save(figure, "empty_map")


def draw_share(note: dict[str, float]) -> None:
    """How strongly BI learns an empty map, on average over random batches, against I-epsilon."""
    figure, axis = plt.subplots(figsize=(6.2, 3.8))
    shares = np.linspace(0, 1, 101)
    for size in (1, 2, 4, 8, 32):
        color = plt.get_cmap("Blues")(0.35 + 0.13 * np.log2(size))
        level = [relative_to_epsilon(size, filled) for filled in range(size)]
        weights = [
            comb(size - 1, k) * (1 - shares) ** k * shares ** (size - 1 - k) for k in range(size)
        ]
        mean = sum(w * value for w, value in zip(weights, level, strict=True))
        axis.plot(shares, mean, color=color, label=f"BI, B = {size}")
        note |= {f"BI / I_eps, B {size}, share {s:g}": mean[round(100 * s)] for s in (0, 0.5, 0.9)}
    axis.axhline(1, color=RED, label="I$_\\varepsilon$, any B")
    axis.axhline(0, color=GREY, label="I, any B")
    axis.set(xlabel="share of empty maps in the training data", ylim=(-0.05, 1.55))
    axis.set(ylabel="mean gradient of an empty map,\nrelative to I$_\\varepsilon$")
    axis.legend(fontsize=8, ncol=4, loc="upper center")
    save(figure, "share_of_empty_maps")


def relative_to_epsilon(size: int, filled: int) -> float:
    """Gradient of an empty map under BI with so many filled maps, over that under I-epsilon."""
    closed = 4 * size * filled / (size + filled) ** 2
    if size <= 8:
        cases = [FILLED] * filled + [EMPTY] * (size - filled)
        ratio = gradients(cases, "BI", 1e-7)[0] / gradients(cases, "I", VOLUME)[0]
        np.testing.assert_allclose(ratio, closed, rtol=1e-3, atol=1e-9)
    return closed


def draw_epsilon(note: dict[str, float]) -> None:
    """What a growing epsilon gives an empty map, and what it takes from a filled one."""
    figure, axis = plt.subplots(figsize=(6.6, 3.9))
    factors = np.geomspace(1e-3, 1e3, 61)
    empty = np.array([gradients([EMPTY], "I", f * VOLUME)[0] for f in factors])
    outside, inside = np.array([gradients([FILLED], "I", f * VOLUME) for f in factors]).T
    unsmoothed = gradients([FILLED], "I", 1e-7)
    axis.semilogx(factors, empty * 4 * VOLUME, color=RED, label="empty map, push down")
    axis.semilogx(factors, inside / unsmoothed[1], "k", label="filled map, pull up (y = 1)")
    axis.semilogx(factors, outside / unsmoothed[0], "k--", label="filled map, push down (y = 0)")
    for a, color in ((0.5, RED), (0.4, ORANGE), (0.3, "0.5")):
        roots = np.array(solve_epsilon(1.0, a))
        axis.plot(roots, [2 * a] * len(roots), "o", color=color, ms=5, zorder=3)
        axis.annotate(
            f"a = {a}", (roots[-1], 2 * a), (5, 3), textcoords="offset points", fontsize=8
        )
        note |= {f"epsilon / v for a {a}, root {i}": root for i, root in enumerate(roots)}
    note["pull on a filled map at epsilon = v, relative"] = inside[30] / unsmoothed[1]
    note["push on a filled map at epsilon = v, relative"] = outside[30] / unsmoothed[0]
    note["pull on a filled map at epsilon = 10 v, relative"] = inside[40] / unsmoothed[1]
    note["push on a filled map at epsilon = 10 v, relative"] = outside[40] / unsmoothed[0]
    axis.set(xlabel="$\\varepsilon$ / v", ylabel="gradient relative to its largest", ylim=(0, 1.15))
    axis.legend(fontsize=8, loc="upper right")
    save(figure, "epsilon")


def save(figure: plt.Figure, name: str) -> None:
    """Write one figure."""
    figure.tight_layout()
    figure.savefig(FIGURES / f"{name}.png", dpi=110, bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    """Draw everything and write the numbers."""
    FIGURES.mkdir(exist_ok=True)
    note: dict[str, float] = {}
    draw_reductions()
    draw_predicted_volume(note)
    draw_empty_map(note)
    draw_share(note)
    draw_epsilon(note)
    rows = [f"{name}\t{value:.4g}" for name, value in note.items()]
    (FIGURES / "theory.tsv").write_text("\n".join(["number\tvalue", *rows]) + "\n")


if __name__ == "__main__":
    main()

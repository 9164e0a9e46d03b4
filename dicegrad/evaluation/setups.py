"""The paper's names for what an experiment row configures: I, BI, I_eps, marginal, leaf."""

import pandas as pd

from dicegrad.errors import InputError

HEURISTIC = "heuristic"
# Below one voxel, the gradient epsilon / (v + epsilon)^2 of an empty map (Eq. 4) is less than
# 4 / v of what batch-wise reduction gives: negligible for any structure worth segmenting.
NEGLIGIBLE_EPSILON = 1.0


def setup_name(loss: str, phi: str, epsilon: str | float) -> str:
    """Name the setup of one experiment row.

    Args:
        loss: `dice`, or the comparator `marginal` or `leaf`.
        phi: Reduction: `I`, `CI`, `BI` or `BCI`.
        epsilon: A number of voxels (may be text), or `heuristic`.

    Returns:
        The comparator's name; else phi where epsilon is negligible (under one voxel), phi + `_eps`
        where it is the heuristic, and phi + `_` + the number where it is another number.

    Raises:
        InputError: epsilon is neither a number >= 0 nor `heuristic`.

    Example:
        >>> setup_name("dice", "I", "1e-7"), setup_name("dice", "I", "heuristic")
        ('I', 'I_eps')
        >>> setup_name("dice", "BI", 1e-7), setup_name("leaf", "I", 1e-7)
        ('BI', 'leaf')
        >>> setup_name("dice", "I", 8789)
        'I_8789'
    """
    if loss != "dice":
        return loss if phi == "I" else f"{loss}_{phi}"
    if str(epsilon) == HEURISTIC:
        return f"{phi}_eps"
    value = epsilon_value(epsilon)
    return phi if value < NEGLIGIBLE_EPSILON else f"{phi}_{value:g}"


def epsilon_value(epsilon: str | float) -> float:
    """Read a numeric epsilon (voxels, >= 0).

    Raises:
        InputError: It is not such a number.
    """
    try:
        value = float(epsilon)
    except ValueError:
        value = float("nan")
    if not value >= 0:
        raise InputError(f"epsilon: {epsilon!r} is neither a number >= 0 nor '{HEURISTIC}'")
    return value


def add_setup(scores: pd.DataFrame) -> pd.DataFrame:
    """Give every row its setup, and keep rows of different epsilon apart.

    Args:
        scores: Columns dataset, labeling, loss, phi, epsilon, batch_size (and any other).

    Returns:
        A copy with the text column `setup`. Where one study holds several negligible epsilons of
        the same reduction, the smallest keeps the plain name and the others carry their number,
        so that no two experiments are pooled by accident.
    """
    named = scores.assign(epsilon=scores["epsilon"].astype(str))
    kinds = named[["dataset", "loss", "phi", "epsilon"]].drop_duplicates()
    kinds = kinds.assign(
        setup=[setup_name(*row) for row in kinds[["loss", "phi", "epsilon"]].to_numpy()],
        size=[-1.0 if e == HEURISTIC else epsilon_value(e) for e in kinds["epsilon"]],
    ).sort_values("size", kind="stable")
    smallest = kinds.groupby(["dataset", "setup"])["size"].transform("min")
    apart = kinds["size"] > smallest
    kinds.loc[apart, "setup"] += [f"_{size:g}" for size in kinds.loc[apart, "size"]]
    keys = ["dataset", "loss", "phi", "epsilon"]
    return named.drop(columns="setup", errors="ignore").merge(
        kinds.drop(columns="size"), on=keys, how="left", validate="many_to_one"
    )

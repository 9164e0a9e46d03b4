"""The smoothing term: the paper's heuristic, and the equation it solves."""

import math

import torch

from dicegrad.errors import InputError
from dicegrad.losses.inputs import PerClass


def epsilon_heuristic(volumes: PerClass) -> float | tuple[float, ...]:
    """Return the mean true volume, the epsilon at which an empty map is learnt fastest (Eq. 5).

    Args:
        volumes: Sum of y in voxels of the grid the loss sees, one row per training case, empty maps
            included as 0: shape (cases,) or (cases, classes).

    Returns:
        One number, or for (cases, classes) one per class, in voxels.

    Raises:
        InputError: If there is no case, a volume is negative or not finite, or a class is always 0.

    Example:
        >>> epsilon_heuristic([10.0, 30.0, 0.0, 0.0])
        10.0
    """
    table = torch.as_tensor(volumes, dtype=torch.float64)
    if table.ndim not in (1, 2) or table.numel() == 0:
        raise InputError(
            f"volumes has shape {tuple(table.shape)}; it must be (cases,) or (cases, classes), "
            "with at least one case"
        )
    if not bool((table.isfinite() & (table >= 0)).all()):
        raise InputError(f"volumes go from {table.min():g} to {table.max():g}; all must be >= 0")
    mean = table.mean(0)
    if not bool((mean > 0).all()):
        raise InputError(
            f"the mean volume is {mean.tolist()}: a class that is empty in every case has no "
            "heuristic epsilon"
        )
    return mean.item() if mean.ndim == 0 else tuple(mean.tolist())


def solve_epsilon(v: float, a: float = 0.5, b: float = 2.0) -> tuple[float, ...]:
    """Return every epsilon that gives an empty map the gradient of a filled one (Eq. 5).

    On the left of Eq. 5 stands the background gradient of a batch-wise subset with intersection
    ``a v`` and denominator ``b v``, on the right the gradient ``epsilon / (v + epsilon)^2`` of an
    empty image-wise subset. With r = 2a / b^2 that is
    r epsilon^2 + (2r - 1) v epsilon + r v^2 = 0.

    Args:
        v: Predicted volume in voxels, above 0.
        a: Intersection as a share of v, above 0.
        b: Sum of both volumes as a multiple of v, above 0.

    Returns:
        The roots in ascending order: two if r < 1/4, one (epsilon = v) if r = 1/4, none if
        r > 1/4, since epsilon / (v + epsilon)^2 is never above 1 / (4v).

    Raises:
        InputError: If an argument is not finite and above 0.

    Example:
        >>> solve_epsilon(8789.0)
        (8789.0,)
    """
    for name, value in (("v", v), ("a", a), ("b", b)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} is {value!r}; it must be finite and above 0")
    r = 2 * a / b**2
    if math.isclose(r, 0.25, rel_tol=1e-12):
        return (float(v),)
    if r > 0.25:
        return ()
    # The roots multiply to v^2: taking the smaller from the larger avoids a cancellation.
    larger = v * ((1 - 2 * r) + math.sqrt(1 - 4 * r)) / (2 * r)
    return (v * v / larger, larger)

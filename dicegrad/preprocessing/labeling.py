"""The two labelings: `full`, and `partial` with some classes of one group emptied."""

from collections.abc import Sequence

import numpy as np

from dicegrad.errors import InputError
from dicegrad.preprocessing.settings import Missing

LABELINGS = ("full", "partial")


def emptied(
    groups: Sequence[str], labeling: str, classes: Sequence[str], missing: Missing | None
) -> np.ndarray:
    """Which class is emptied in which case.

    Args:
        groups: The group of each of N cases.
        labeling: ``full`` or ``partial``.
        classes: Names of the K classes, in network order.
        missing: What ``partial`` empties.

    Returns:
        (N, K) bool.

    Raises:
        InputError: An unknown labeling, group or class.
    """
    if labeling not in LABELINGS:
        raise InputError(f"labeling is {labeling!r}; choose one of {', '.join(LABELINGS)}")
    gone = np.zeros((len(groups), len(classes)), bool)
    if labeling == "full":
        return gone
    if missing is None:
        raise InputError("labeling: partial needs the dataset's `missing: {group, classes}`")
    if missing.group not in groups:
        known = ", ".join(sorted(set(groups)))
        raise InputError(f"missing: no case is of group {missing.group!r}; the groups are {known}")
    for name in missing.classes:
        if name not in classes:
            known = ", ".join(classes)
            raise InputError(f"missing: unknown class {name!r}; the classes are {known}")
        gone[:, list(classes).index(name)] = np.asarray(groups) == missing.group
    return gone


def apply_labeling(
    labels: np.ndarray,
    groups: Sequence[str],
    labeling: str,
    classes: Sequence[str],
    missing: Missing | None,
) -> np.ndarray:
    """Replace what a labeling lacks by background.

    Args:
        labels: (N, X, Y, Z) uint8, 0 background, k for ``classes[k - 1]``. It is left as it is.
        groups: The group of each case.
        labeling: ``full`` (a copy) or ``partial``.
        classes: Names of the classes, in network order.
        missing: What ``partial`` empties.

    Returns:
        (N, X, Y, Z) uint8.
    """
    gone = emptied(groups, labeling, classes, missing)
    # One look-up table per case: value k stays k, or becomes 0.
    tables = np.arange(1, len(classes) + 1, dtype=np.uint8) * ~gone
    tables = np.pad(tables, ((0, 0), (1, 0)))
    return np.stack([table[label] for table, label in zip(tables, labels, strict=True)])

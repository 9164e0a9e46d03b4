"""Labelings: `full`, `partial` with some classes of one group emptied, and shares of that."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from dicegrad.errors import InputError
from dicegrad.preprocessing.settings import Missing


def missing_share(labeling: str) -> float:
    """The share of the missing group's subjects in which a labeling empties the missing classes.

    Args:
        labeling: ``full``, ``partial``, or ``partial-<percent>`` with a percentage from 1 to 99.

    Raises:
        InputError: It is none of these.

    Example:
        >>> missing_share("full"), missing_share("partial-25"), missing_share("partial")
        (0.0, 0.25, 1.0)
    """
    if labeling in ("full", "partial"):
        return float(labeling == "partial")
    if found := re.fullmatch(r"partial-([1-9][0-9]?)", labeling):
        return int(found[1]) / 100
    raise InputError(
        f"labeling is {labeling!r}; choose full, partial, or a share of it such as partial-50"
    )


def _some(subjects: set[str], share: float) -> list[str]:
    """A share of the subjects, the same ones each time; a smaller share is part of a larger."""
    order = sorted(subjects, key=lambda subject: hashlib.sha256(subject.encode()).digest())
    return order[: int(share * len(order) + 0.5)]


def emptied(
    groups: Sequence[str],
    subjects: Sequence[str],
    labeling: str,
    classes: Sequence[str],
    missing: Missing | None,
) -> np.ndarray:
    """Which class is emptied in which case.

    Args:
        groups: The group of each of N cases.
        subjects: The subject of each; shares are of subjects, so that no subject is split.
        labeling: ``full``, ``partial`` or ``partial-<percent>``.
        classes: Names of the K classes, in network order.
        missing: What ``partial`` empties.

    Returns:
        (N, K) bool.

    Raises:
        InputError: An unknown labeling, group or class, or a share of less than one subject.
    """
    share = missing_share(labeling)
    gone = np.zeros((len(groups), len(classes)), bool)
    if share == 0:
        return gone
    if missing is None:
        raise InputError("labeling: partial needs the dataset's `missing: {group, classes}`")
    if missing.group not in groups:
        known = ", ".join(sorted(set(groups)))
        raise InputError(f"missing: no case is of group {missing.group!r}; the groups are {known}")
    without = np.asarray(groups) == missing.group
    if share < 1:
        concerned = set(np.asarray(subjects)[without].tolist())
        chosen = _some(concerned, share)
        if not chosen:
            raise InputError(
                f"labeling {labeling}: that share of the {len(concerned)} subjects of group "
                f"{missing.group} is less than one subject; choose a larger share"
            )
        without &= np.isin(subjects, chosen)
    for name in missing.classes:
        if name not in classes:
            known = ", ".join(classes)
            raise InputError(f"missing: unknown class {name!r}; the classes are {known}")
        gone[:, list(classes).index(name)] = without
    return gone


def apply_labeling(
    labels: np.ndarray,
    groups: Sequence[str],
    subjects: Sequence[str],
    labeling: str,
    classes: Sequence[str],
    missing: Missing | None,
) -> np.ndarray:
    """Replace the labels that a labeling leaves out by background.

    Args:
        labels: (N, X, Y, Z) uint8, 0 background, k for ``classes[k - 1]``. Not changed.
        groups: The group of each case.
        subjects: The subject of each case.
        labeling: ``full`` (a copy), ``partial`` or ``partial-<percent>``.
        classes: Names of the classes, in network order.
        missing: What ``partial`` empties.

    Returns:
        (N, X, Y, Z) uint8.
    """
    gone = emptied(groups, subjects, labeling, classes, missing)
    # One look-up table per case: value k stays k, or becomes 0.
    tables = np.arange(1, len(classes) + 1, dtype=np.uint8) * ~gone
    tables = np.pad(tables, ((0, 0), (1, 0)))
    return np.stack([table[label] for table, label in zip(tables, labels, strict=True)])

"""The labeling `hidden`, which takes maps that were annotated, as many as nobody drew."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dicegrad.planning.fingerprint import Fingerprint
from dicegrad.preprocessing.labeling import annotated_maps
from dicegrad.study.labeling import Labeling, Removal

HIDDEN = "hidden"  # the labeling that is made to score what a loss does with missing labels
_SEEDS = 20  # that are tried

Entry = dict[str, Any]


def hide_like_gaps(known: Fingerprint) -> list[Entry]:
    """Entries that hide each class with gaps: in as large a share of the subjects of each group.

    A share is of all subjects, also of those that were not annotated, of whom nothing is hidden.
    So the seed of the entries is one with which about the same share of the annotated filled maps
    of the class is hidden, at least one of them, to be scored, and never all, to be learnt from.

    Args:
        known: The data set, some of whose maps are not annotated.

    Returns:
        For the block `labelings` of a dataset file. A class is left out where no seed serves.
    """
    entries: list[Entry] = []
    for k in range(len(known.classes)):
        entries += _seeded(known, k, _entries(known, k))
    return entries


def _entries(known: Fingerprint, k: int) -> list[Entry]:
    """Of class k, without a seed: one for each group in which some of its maps are annotated."""
    entries: list[Entry] = []
    for group in known.groups:
        here = _of_group(known, group)
        missing = float(np.mean(~known.annotated[here, k]))
        # A group in which nobody drew the class has nothing that could be hidden.
        if 0 < missing < 1 and np.any(_drawn(known, k)[here]):
            subjects = {each.case.subject for each in known.facts if each.case.group == group}
            entry: Entry = {"classes": [known.classes[k]], "share": _share(missing, len(subjects))}
            entries.append(entry if len(known.groups) == 1 else {"group": group, **entry})
    return entries


def _share(missing: float, subjects: int) -> float:
    """Two digits of a share that is one subject at least, as half a subject is once rounded."""
    least = -(-50 // subjects) / 100
    return max(round(missing, 2), least)


def _seeded(known: Fingerprint, k: int, entries: Sequence[Entry]) -> list[Entry]:
    """The entries of class k with the seed that hides what comes closest to their shares."""
    if not entries:
        return []
    total, off = int(_drawn(known, k).sum()), {}
    for seed in range(_SEEDS):
        hidden = _hidden(known, k, entries, seed)
        if 0 < hidden.sum() < total:
            off[seed] = round(float(sum(_differences(known, k, entries, hidden))), 9)
    if not off:
        return []
    best = min(off, key=off.__getitem__)  # the first of equals
    return [{**entry, "seed": best} if best else entry for entry in entries]


def _hidden(known: Fingerprint, k: int, entries: Sequence[Entry], seed: int) -> np.ndarray:
    """(N,) bool: the annotated filled maps of class k that the entries take, as a study does it."""
    removals = tuple(Removal.from_dict({**entry, "seed": seed}) for entry in entries)
    cases, labeling = [each.case for each in known.facts], Labeling(HIDDEN, removals)
    ones = np.ones(len(cases))  # the volumes are no longer counts of voxels
    kept = annotated_maps(cases, known.classes, labeling, known.volumes, ones)
    return _drawn(known, k) & ~kept[:, k]


def _differences(
    known: Fingerprint, k: int, entries: Sequence[Entry], hidden: np.ndarray
) -> list[float]:
    """In the group of each entry: how far the maps hidden are from its share of those drawn."""
    found = []
    for entry in entries:
        here = _of_group(known, entry.get("group"))
        wanted = np.mean(~known.annotated[here, k]) * _drawn(known, k)[here].sum()
        found.append(abs(float(hidden[here].sum() - wanted)))
    return found


def _drawn(known: Fingerprint, k: int) -> np.ndarray:
    """(N,) bool: the maps of class k that are annotated and have a voxel."""
    return known.annotated[:, k] & known.filled[:, k]


def _of_group(known: Fingerprint, group: str | None) -> np.ndarray:
    """(N,) bool: the cases of a group; None is every case."""
    return np.array([group in (None, each.case.group) for each in known.facts])

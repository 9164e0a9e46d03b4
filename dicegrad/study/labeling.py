"""Labelings: which maps, and which slices, a study takes out of the training truth."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum
from typing import Any

from dicegrad.errors import InputError, nearest

FULL, PARTIAL, AS_ANNOTATED = "full", "partial", "as-annotated"
_SHARE = re.compile(r"partial-([1-9][0-9]?)")
WORDS = (FULL, PARTIAL, AS_ANNOTATED)


@dataclass(frozen=True)
class Removal:
    """One entry of a labeling: what it takes away, and from which cases.

    Attributes:
        group: From the cases of this group; None is every case.
        classes: These classes; none is every class.
        share: From a share of the subjects concerned, drawn at random: the part (low, high) of
            their random order, (0, 1) being all.
        smallest: If given, only from this share of the cases concerned, those in which the class
            has the smallest volume.
        slices: If given, maps stay, and every n-th slice along z is kept, at least one: the others
            are ignored.
        seed: Of the random order.
    """

    group: str | None = None
    classes: tuple[str, ...] = ()
    share: tuple[float, float] = (0.0, 1.0)
    smallest: float | None = None
    slices: int | None = None
    seed: int = 0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Removal":
        """Read one entry of a dataset file; `share: 0.5` is the share from 0 to 0.5."""
        share = values.get("share", 1.0)
        low, high = share if isinstance(share, (list, tuple)) else (0.0, share)
        return cls(
            group=values.get("group"),
            classes=tuple(values.get("classes", ())),
            share=(float(low), float(high)),
            smallest=values.get("smallest"),
            slices=values.get("slices"),
            seed=values.get("seed", 0),
        )

    def check(self, where: str, classes: Sequence[str]) -> None:
        """See that the entry makes sense for a dataset.

        Raises:
            InputError: It does not.
        """
        if unknown := [name for name in self.classes if name not in classes]:
            raise InputError(
                f"{where}: classes has {unknown[0]!r}; the classes are {', '.join(classes)}"
                f"{nearest(unknown[0], classes)}"
            )
        low, high = self.share
        if not 0 <= low < high <= 1:
            raise InputError(
                f"{where}: share is [{low:g}, {high:g}]; write a number above 0 and up to 1, or "
                "[from, to] in 0 .. 1"
            )
        if self.slices is not None and (self.classes or self.smallest is not None):
            raise InputError(
                f"{where}: slices are ignored for all classes together; leave out classes and "
                "smallest"
            )


@dataclass(frozen=True)
class Labeling:
    """What one labeling takes away.

    Attributes:
        name: As in the experiment table.
        removals: Its entries; none for `full` and `as-annotated`.
    """

    name: str
    removals: tuple[Removal, ...] = ()

    def missing_share(self, group: str, class_name: str) -> float:
        """The share of a group's maps of a class that it takes away, at most 1.

        What two entries of one seed both take away counts once, and so does what is expected of
        entries of two seeds, whose orders have nothing to do with each other.
        """
        taken: dict[int, list[Removal]] = {}
        for removal in self.removals:
            concerned = removal.group in (None, group) and removal.slices is None
            if concerned and (not removal.classes or class_name in removal.classes):
                taken.setdefault(removal.seed, []).append(removal)
        lost = 0.0
        for removals in taken.values():
            part = _lost(removals)
            lost += part - lost * part
        return min(lost, 1.0)


def _lost(removals: Sequence[Removal]) -> float:
    """The share of the maps that entries take away which go through subjects in one order."""
    edges = sorted({edge for removal in removals for edge in removal.share})
    return sum(
        (high - low)
        * max(
            (
                1.0 if removal.smallest is None else removal.smallest
                for removal in removals
                if removal.share[0] <= low and high <= removal.share[1]
            ),
            default=0.0,
        )
        for low, high in pairwise(edges)
    )


def make_labelings(
    missing: Removal | None, named: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Labeling]:
    """The labelings that a dataset names, besides the shares of `partial`.

    Args:
        missing: What `partial` takes away; None if the dataset does not say.
        named: The block `labelings` of its file.
    """
    labelings = {FULL: Labeling(FULL), AS_ANNOTATED: Labeling(AS_ANNOTATED)}
    if missing:
        labelings[PARTIAL] = Labeling(PARTIAL, (missing,))
    for name, entries in named.items():
        labelings[name] = Labeling(name, tuple(map(Removal.from_dict, entries)))
    return labelings


def find_labeling(name: str, known: Mapping[str, Labeling]) -> Labeling:
    """The labeling of that name; `partial-50` is half of `partial`.

    Raises:
        InputError: There is none.
    """
    if name in known:
        return known[name]
    if (share := _SHARE.fullmatch(name)) and PARTIAL in known:
        (whole,) = known[PARTIAL].removals
        part = Removal(whole.group, whole.classes, (0.0, int(share[1]) / 100))
        return Labeling(name, (part,))
    hint = "" if PARTIAL in known else "; `partial` needs the key `missing` of the dataset"
    raise InputError(
        f"labeling is {name!r}; the dataset has {', '.join(known)}"
        + (", and shares such as partial-50" if PARTIAL in known else hint)
        + nearest(name, known)
    )


def missing_share(labeling: str) -> float:
    """How much a labeling takes away, as far as its name tells.

    Args:
        labeling: `full` and `as-annotated` are 0, `partial` is 1, `partial-<percent>` its share;
            one that a dataset names is just below 1.

    Example:
        >>> missing_share("full"), missing_share("partial-25"), missing_share("partial")
        (0.0, 0.25, 1.0)
    """
    if labeling in (FULL, AS_ANNOTATED):
        return 0.0
    if share := _SHARE.fullmatch(labeling):
        return int(share[1]) / 100
    return 1.0 if labeling == PARTIAL else 0.99


def of_partial(labeling: str) -> bool:
    """Whether a labeling is `partial`, or a share of it, by its name.

    Example:
        >>> [of_partial(name) for name in ("partial", "partial-50", "full", "mine")]
        [True, True, False, False]
    """
    return labeling == PARTIAL or _SHARE.fullmatch(labeling) is not None


def labels_taken(shares: Mapping[str, Mapping[str, float]]) -> float:
    """How much a labeling takes away: 1 is all maps of one class in one group.

    Args:
        shares: group -> class -> share of the maps that it takes away.

    Example:
        >>> labels_taken({"ED": {"LV": 0.0, "MYO": 0.5}, "ES": {"LV": 0.0, "MYO": 1.0}})
        1.5
    """
    # Rounded, so that 0.1 + 0.2 and 0.3 tie.
    return round(fsum(share for of_class in shares.values() for share in of_class.values()), 9)


def sort_labelings(labelings: Iterable[str], taken: Mapping[str, float] | None = None) -> list[str]:
    """Unique labelings, the more labels are missing the later.

    Args:
        labelings: Their names.
        taken: labeling -> `labels_taken`, of one dataset. What takes as much, and everything
            without it, is sorted by what the names tell: see `missing_share`.

    Example:
        >>> sort_labelings(["partial", "full", "partial-50", "partial"])
        ['full', 'partial-50', 'partial']
        >>> sort_labelings(["some", "all"], {"some": 0.1, "all": 1.0})
        ['some', 'all']
    """
    known = taken or {}
    return sorted(
        set(labelings), key=lambda name: (known.get(name, 0.0), missing_share(name), name)
    )

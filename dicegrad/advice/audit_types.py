"""What travels between the parts of an audit."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Map:
    """One class of one case.

    Attributes:
        case: The case.
        group: Its group, or None.
        name: The class.
        annotated: Whether the class was looked for.
        voxels: True voxels, on the grid of the label map.
        ml: Their volume.
    """

    case: str
    group: str | None
    name: str
    annotated: bool
    voxels: int
    ml: float


@dataclass(frozen=True)
class Flag:
    """An absence that looks like labels nobody drew.

    Attributes:
        name: The class.
        group: The group, or None where there are no groups.
        reason: In words.
        test: Name of the test.
        p: Its p value.
        p_holm: Corrected by Holm's method over all tests of its kind.
        size: Difference of the shares of filled cases, or the share that has the class.
        cases: The cases, where they are few.
    """

    name: str
    group: str | None
    reason: str
    test: str
    p: float
    p_holm: float
    size: float
    cases: tuple[str, ...] = ()

    def with_p(self, p_holm: float) -> "Flag":
        """The same with its corrected p value."""
        return replace(self, p_holm=p_holm)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with `class` for the class."""
        given = asdict(self)
        return {"class": given.pop("name"), **given, "cases": list(self.cases)}


@dataclass(frozen=True)
class Volumes:
    """Volumes of filled maps; None where there is none.

    Attributes:
        voxels: median, min and max, on the grid of the label maps.
        ml: The same in ml.
    """

    voxels: Mapping[str, float] | None
    ml: Mapping[str, float] | None


@dataclass(frozen=True)
class Counts:
    """One class, of all cases or of a group.

    Attributes:
        filled: Annotated maps with a true voxel.
        empty: Annotated maps without.
        not_annotated: Maps that were not looked for, or of cases without a label map.
        volumes: Of the filled maps.
        epsilon_heuristic: Mean volume of annotated maps in voxels, empty ones as 0; None if there
            is no voxel.
        overtakes: By epsilon, sqrt(4 V epsilon) for the median V: an empty map is pushed more than
            a filled one once less than this is predicted in it.
    """

    filled: int
    empty: int
    not_annotated: int
    volumes: Volumes
    epsilon_heuristic: float | None
    overtakes: Mapping[str, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

"""What a plan needs to know of a data set: voxel sizes, where the labels lie, what is filled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from dicegrad.data.adapter import Adapter, Case
from dicegrad.data.annotated import contradictions
from dicegrad.data.orientation import best_orientation, turn_of
from dicegrad.data.volumes import read_channels, read_header, read_headers, read_volume
from dicegrad.errors import InputError
from dicegrad.preprocessing.grids import bounding_box
from dicegrad.preprocessing.prepare import map_cases
from dicegrad.study.regions import overlap

Triple = tuple[float, float, float]

MOST_IMAGES = 24  # whose intensities are looked at
_MOST_VOXELS = 20_000  # of a case


@dataclass(frozen=True)
class Facts:
    """One case.

    Attributes:
        case: Its files, and what was annotated in it.
        size: Voxels along x, y, z.
        spacing: Of the image, mm.
        volumes: Voxels of each class.
        low: Along each axis, where the labelled voxels begin, in voxels from the middle of the
            volume; 0 where nothing is labelled.
        high: Where they end.
    """

    case: Case
    size: tuple[int, int, int]
    spacing: Triple
    volumes: tuple[int, ...]
    low: Triple
    high: Triple


@dataclass(frozen=True)
class Intensities:
    """Of the labelled voxels of some cases, as nnU-Net takes them for CT.

    Attributes:
        low: Their 0.5 percentile.
        high: Their 99.5 percentile.
        mean: Of what lies between.
        std: Its standard deviation.
        lowest: Of any voxel, labelled or not.
    """

    low: float
    high: float
    mean: float
    std: float
    lowest: float


@dataclass(frozen=True)
class Fingerprint:
    """A data set.

    Attributes:
        root: Its folder.
        adapter: How it is laid out.
        classes: Those to be segmented, in network order.
        facts: Of each case.
        intensities: Of the labelled voxels, by channel.
        orientation: How the axes are best turned before spacings are compared; see `Preprocessing`.
    """

    root: Path
    adapter: Adapter
    classes: tuple[str, ...]
    facts: tuple[Facts, ...]
    intensities: tuple[Intensities, ...]
    orientation: str = "RAS"

    @cached_property
    def spacing(self) -> Triple:
        """The median voxel size, mm."""
        x, y, z = np.median([each.spacing for each in self.facts], axis=0).tolist()
        return x, y, z

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """Those of all cases, sorted."""
        return tuple(sorted({each.case.subject for each in self.facts}))

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Those that cases are of, in the adapter's order."""
        here = {each.case.group for each in self.facts}
        return tuple(group for group in self.adapter.groups if group in here)

    @property
    def overlapping(self) -> bool:
        """Whether a voxel may be of several of the classes."""
        return overlap({name: self.adapter.class_values[name] for name in self.classes})

    @cached_property
    def annotated(self) -> np.ndarray:
        """(N, K) bool: which maps are annotated."""
        maps = (each.case.annotated for each in self.facts)
        return np.array([[a is None or name in a for name in self.classes] for a in maps], bool)

    @cached_property
    def volumes(self) -> np.ndarray:
        """(N, K) volume of each class in each case, ml."""
        ml = np.array([np.prod(each.spacing) / 1000 for each in self.facts])
        return np.array([each.volumes for each in self.facts]) * ml[:, None]

    @cached_property
    def filled(self) -> np.ndarray:
        """(N, K) bool: which maps have a voxel."""
        return self.volumes > 0

    @property
    def ct(self) -> bool:
        """Whether every channel is computed tomography, whose numbers mean the same everywhere."""
        named = [name.upper().split() for name in self.adapter.channels]
        if all("CT" in words for words in named):
            return True
        nameless = all(words[0].isdigit() or "CHANNEL" in words[0] for words in named if words)
        return nameless and all(each.lowest < AIR for each in self.intensities)


AIR = -500.0  # Hounsfield units; no other modality goes that far down


def take_fingerprint(
    root: Path,
    adapter: Adapter,
    cases: Sequence[Case],
    classes: Sequence[str],
    workers: int = 1,
    done: Callable[[], None] = lambda: None,
) -> Fingerprint:
    """Read every label map, and some of the images.

    Args:
        root: Folder of the data set.
        adapter: How it is laid out.
        cases: Those of the folder, with what was annotated in them.
        classes: Those to be segmented.
        workers: Number of processes.
        done: Called after each case.

    Raises:
        InputError: One line for each file that cannot be read; or no case has a class.
    """
    values = {name: adapter.class_values[name] for name in classes}
    headers = [read_header(case.images[0], case.images.count(case.images[0])) for case in cases]
    orientation = best_orientation(headers)
    facts = facts_of(cases, values, orientation, workers, done)
    step = -(-len(cases) // MOST_IMAGES)
    samples = _gather(partial(_try, partial(_sample, values=values)), cases[::step], workers, done)
    for k, name in enumerate(classes):
        if not any(each.volumes[k] for each in facts):
            raise InputError(
                f"root {root}: no case has a voxel of {name}; leave it out, as "
                f"--classes {','.join(other for other in classes if other != name) or '...'}"
            )
    channels = range(len(adapter.channels))
    intensities = tuple(_pool([sample[channel] for sample in samples]) for channel in channels)
    return Fingerprint(root, adapter, tuple(classes), tuple(facts), intensities, orientation)


def facts_of(
    cases: Sequence[Case],
    values: Mapping[str, Sequence[int]],
    orientation: str,
    workers: int = 1,
    done: Callable[[], None] = lambda: None,
) -> list[Facts]:
    """Read the label map of each case.

    Args:
        cases: To read.
        values: The label values of each class.
        orientation: How the axes are turned first; see `Preprocessing`.
        workers: Number of processes.
        done: Called after each case.

    Raises:
        InputError: One line for each file that cannot be read.
    """
    look = partial(_facts, values=values, orientation=orientation)
    return _gather(partial(_try, look), cases, workers, done)


def _gather(
    work: Callable[[Case], object], cases: Sequence[Case], workers: int, done: Callable[[], None]
) -> list:
    """What the work says of each case; all that is wrong is raised together."""
    found: list = []
    problems: list = []
    for result in map_cases(work, cases, workers):
        (problems if isinstance(result, InputError) else found).append(result)
        done()
    if problems:
        raise InputError(*problems)
    return found


def _try(work: Callable[[Case], object], case: Case) -> object:
    """The work on a case, or what is wrong with it, so that the others go on."""
    try:
        return work(case)
    except InputError as error:
        return error


def _facts(case: Case, values: Mapping[str, Sequence[int]], orientation: str) -> Facts:
    label = read_volume(case.label)
    if problems := contradictions(case, label.voxels, values):
        raise InputError(*problems)
    # As preparation turns it: by what the images say of place, whatever the label map says.
    label = turn_of(read_headers(case.images), orientation).volume(label)
    size = label.grid.size
    box = bounding_box(np.isin(label.voxels, [v for group in values.values() for v in group]))
    counts = np.bincount(label.voxels[box].astype(np.int64).ravel(), minlength=256)
    sides = list(zip(box, size, strict=True))
    x, y, z = (side.start - length / 2 if side.stop else 0.0 for side, length in sides)
    low = x, y, z
    x, y, z = (side.stop - length / 2 if side.stop else 0.0 for side, length in sides)
    volumes = tuple(int(counts[list(group)].sum()) for group in values.values())
    return Facts(case, size, label.grid.spacing, volumes, low, (x, y, z))


def _sample(case: Case, values: dict[str, tuple[int, ...]]) -> list[tuple[np.ndarray, float]]:
    """For each channel some intensities of labelled voxels, and the lowest of all."""
    label = read_volume(case.label).voxels
    chosen = np.flatnonzero(np.isin(label, [v for group in values.values() for v in group]))
    chosen = chosen[:: max(len(chosen) // _MOST_VOXELS, 1)]
    samples = []
    for voxels in (image.voxels for image in read_channels(case.images)):
        samples.append((voxels.ravel()[chosen].astype(np.float64), float(voxels.min())))
    return samples


def _pool(samples: Sequence[tuple[np.ndarray, float]]) -> Intensities:
    """The intensities of a channel, over cases."""
    values = np.concatenate([values for values, _ in samples])
    lowest = min(low for _, low in samples)
    if not len(values):
        return Intensities(0.0, 0.0, 0.0, 0.0, lowest)
    low, high = np.quantile(values, (0.005, 0.995)).tolist()
    inside = np.clip(values, low, high)
    return Intensities(low, high, float(inside.mean()), float(inside.std()), lowest)

"""What a study trains on: cases and maps of each training fold, and the grid beside the images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dicegrad.arrays import open_array
from dicegrad.data.adapter import Case
from dicegrad.data.adapters import adapter_of
from dicegrad.data.annotated import marked_by_table
from dicegrad.data.cases import read_cases
from dicegrad.data.geometry import Grid
from dicegrad.data.orientation import Turn
from dicegrad.errors import InputError
from dicegrad.planning.fingerprint import facts_of
from dicegrad.planning.prepared import written_folds
from dicegrad.preprocessing.about import read_about
from dicegrad.preprocessing.epsilon import class_volumes
from dicegrad.preprocessing.folds import (
    folds_of_splits,
    make_folds,
    validation_part,
)
from dicegrad.preprocessing.labeling import annotated_maps, voxel_volumes
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.preprocessing.slices import check_slices, slice_distances
from dicegrad.study import Dataset
from dicegrad.study.dataset_checks import NNUNET
from dicegrad.study.labeling import Labeling
from dicegrad.study.regions import overlap

_SLACK = 0.5  # voxels of the grid by which an image may be larger and still count as inside


@dataclass(frozen=True)
class Maps:
    """The maps of one class in the training cases of a fold.

    Attributes:
        filled: Annotated, with a voxel.
        empty: Annotated, without one.
        not_annotated: Nobody looked for the class there, or the labeling takes it away.
    """

    filled: int
    empty: int
    not_annotated: int


@dataclass(frozen=True)
class FoldMaps:
    """What a training run of one labeling and fold sees.

    Attributes:
        labeling: Its name.
        fold: The fold that is held out.
        training: Cases to learn from.
        aside: Cases of the other folds that validation looks at, and that it does not learn from.
        held_out: Cases of the fold.
        maps: Of each class.
    """

    labeling: str
    fold: int
    training: int
    aside: int
    held_out: int
    maps: Mapping[str, Maps]


@dataclass(frozen=True)
class Data:
    """Cases of a data set as a plan looks at them.

    Attributes:
        cases: N of them.
        volumes: (N, K) voxels of each class.
        folds: Subject -> fold.
        extents: (N, 3) mm of each image along the axes of the grid.
        channels: Names of the image channels.
        overlapping: Whether a voxel may be of several classes.
        voxel_mm3: (N,) volume of a voxel of each case.
        slice_mm: (N, 2) how far slices are apart, in the image and on the grid.
    """

    cases: Sequence[Case]
    volumes: np.ndarray
    folds: Mapping[str, int]
    extents: np.ndarray
    channels: tuple[str, ...]
    overlapping: bool
    voxel_mm3: np.ndarray
    slice_mm: np.ndarray

    def held_out(self, fold: int) -> np.ndarray:
        """(N,) bool: the cases that a fold holds out."""
        return np.array([self.folds[case.subject] == fold for case in self.cases])

    def aside(self, fold: int, share: float) -> np.ndarray:
        """(N,) bool: the other cases that validation looks at; see `validation_part`."""
        out_of_fold = self.held_out(fold).tolist()
        return np.array(validation_part(self.cases, out_of_fold, share, fold), bool)


def prepared_data(folder: Path, dataset: Dataset) -> Data:
    """The cases of a data set in a folder such as `resources/acdc`.

    Where folds.tsv is not written yet, or of other settings, folds are drawn as it will hold them.

    Raises:
        InputError: A file is missing or damaged; or folds.tsv, edited since, is of other subjects.
    """
    cases = read_cases(folder / "cases.tsv")
    about = read_about(folder / "prepared.json")
    overlapping = overlap(about.class_values)
    labels = open_array(folder / "labels.npy", np.uint8, (len(cases), None, None, None))
    volumes = class_volumes(labels, len(dataset.classes), overlapping)
    folds = written_folds(folder / "folds.tsv", cases, dataset)
    if folds is None:
        folds = _draw_folds(cases, dataset, volumes)
    originals = [about.originals[case.case].grid for case in cases]
    grids = [about.grids[case.case] for case in cases]
    extents = [_extent(one, other) for one, other in zip(originals, grids, strict=True)]
    voxel_mm3, slice_mm = voxel_volumes(g.spacing for g in grids), slice_distances(originals, grids)
    return Data(
        cases, volumes, folds, np.array(extents), about.channels, overlapping, voxel_mm3, slice_mm
    )


def original_data(
    dataset: Dataset, workers: int = 1, done: Callable[[], None] = lambda: None
) -> Data:
    """The cases of a data set that is not prepared yet, from its own label maps.

    Args:
        dataset: Its settings.
        workers: Number of processes.
        done: Called after each case.

    Raises:
        InputError: One line for each file that cannot be read.
    """
    adapter = adapter_of(dataset)
    dataset.check_names(adapter.class_values, adapter.groups)
    found = adapter.scan(dataset.root)
    if found.problems:
        raise InputError(*found.problems)
    cases, _ = marked_by_table(found.cases, dataset.root, dataset.block("annotated"), adapter)
    values = {name: adapter.class_values[name] for name in dataset.classes}
    preprocessing = Preprocessing.from_dict(dataset.block("preprocessing"))
    facts = facts_of(cases, values, preprocessing.orientation, workers, done)
    volumes = np.array([each.volumes for each in facts])
    extents = np.array([np.multiply(each.size, each.spacing) for each in facts])
    folds = _draw_folds(cases, dataset, volumes)
    spacings, z = [each.spacing for each in facts], preprocessing.spacing[2]
    slice_mm = np.array([(mm, mm if z == "native" else z) for *_, mm in spacings])
    channels, overlapping = adapter.channels, overlap(values)
    return Data(
        cases, volumes, folds, extents, channels, overlapping, voxel_volumes(spacings), slice_mm
    )


def _draw_folds(cases: Sequence[Case], dataset: Dataset, volumes: np.ndarray) -> dict[str, int]:
    """The folds that the workflow will write."""
    settings = dataset.folds
    if settings.method == "listed":
        return folds_of_splits(cases, Path(settings.file), settings.count)
    return make_folds(cases, settings.count, settings.method, settings.seed, volumes > 0)


def _extent(original: Grid, grid: Grid) -> list[float]:
    """Length of an image in mm along the axes of the network's grid."""
    turned = Turn.between(original, grid).grid(original)
    return [n * mm for n, mm in zip(turned.size, turned.spacing, strict=True)]


@dataclass(frozen=True)
class Look:
    """What a plan says of a data set.

    Attributes:
        name: Of the data set.
        cases: How many.
        size: Of the grid, voxels along x, y, z.
        spacing: Of the grid, mm; `native` where each image keeps its own.
        extents: The lowest and the highest extent of the images along each axis, mm.
        beyond: How many images are larger than the grid, along some axis.
        folds: What a training run sees, by labeling and fold.
    """

    name: str
    cases: int
    size: tuple[int, ...]
    spacing: tuple[float | str, ...]
    extents: tuple[tuple[float, float], ...]
    beyond: int
    folds: tuple[FoldMaps, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """In words, and a table; what cannot be learnt is marked with `!`."""
        by = " x ".join
        spacing = by(_plain(mm) for mm in self.spacing)
        images = by(_range(*ends) for ends in self.extents)
        yours = [
            f"{self.name}: {self.cases} cases of {images} mm; a grid of "
            f"{by(map(str, self.size))} voxels of {spacing} mm"
        ]
        if self.beyond:
            yours.append(
                f"  {self.beyond} of {self.cases} images are larger than the grid; dicegrad check "
                "says what it keeps of the labels"
            )
        names = list(self.folds[0].maps) if self.folds else []
        table = [("labeling", "fold", "training", "validation", "held out", *names)]
        for each in self.folds:
            maps = [f"{m.filled}/{m.empty}/{m.not_annotated}" for m in each.maps.values()]
            counts = map(str, (each.fold, each.training, each.aside or "-", each.held_out))
            table.append((each.labeling, *counts, *maps))
            yours += [
                f"! {each.labeling}, fold {each.fold}: no training case shows {name}"
                for name, found in each.maps.items()
                if not found.filled
            ]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        yours.append("maps in the training cases: filled/empty/not annotated")
        for row in table:
            cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
            yours.append("  " + "  ".join(cells).rstrip())
        return yours


def _plain(mm: float | str) -> str:
    return mm if isinstance(mm, str) else f"{mm:g}"


def _range(low: float, high: float) -> str:
    return f"{low:.0f}" if f"{low:.0f}" == f"{high:.0f}" else f"{low:.0f}–{high:.0f}"


def look(data: Data, dataset: Dataset, labelings: Sequence[Labeling], folds: Sequence[int]) -> Look:
    """Count what the training runs of a data set see.

    Args:
        data: Its cases.
        dataset: Its settings.
        labelings: Those that the study trains on.
        folds: Those that it runs.

    Raises:
        InputError: A labeling cannot be applied, see `annotated_maps` and `check_slices`.
    """
    found = []
    share = dataset.block("training", "validation", default=0.0)
    for labeling in labelings:
        if dataset.engine != NNUNET:  # which counts the slices of the image
            check_slices(dataset.name, data.cases, labeling, data.slice_mm)
        annotated = annotated_maps(
            data.cases, dataset.classes, labeling, data.volumes, data.voxel_mm3
        )
        filled = data.volumes > 0
        for fold in folds:
            out, aside = data.held_out(fold), data.aside(fold, share)
            train = ~out & ~aside
            kinds = (annotated & filled, annotated & ~filled, ~annotated)
            counts = np.array([kind[train].sum(axis=0) for kind in kinds]).T.tolist()
            maps = {name: Maps(*c) for name, c in zip(dataset.classes, counts, strict=True)}
            few, spared, tested = (int(part.sum()) for part in (train, aside, out))
            found.append(FoldMaps(labeling.name, fold, few, spared, tested, maps))
    preprocessing = Preprocessing.from_dict(dataset.block("preprocessing"))
    size, spacing = preprocessing.size, preprocessing.spacing
    room = [
        np.inf if mm == "native" else (n + _SLACK) * float(mm)
        for n, mm in zip(size, spacing, strict=True)
    ]
    beyond = int((data.extents > room).any(axis=1).sum())
    ends = zip(data.extents.min(axis=0).tolist(), data.extents.max(axis=0).tolist(), strict=True)
    extents = tuple((low, high) for low, high in ends)
    return Look(
        dataset.name, len(data.cases), tuple(size), tuple(spacing), extents, beyond, tuple(found)
    )

"""What a grid costs: how well the true labels themselves come back from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from dicegrad.data.adapter import Adapter, Case
from dicegrad.data.orientation import Turn, turn_of
from dicegrad.data.volumes import Volume, read_channels, read_headers, read_volume
from dicegrad.errors import InputError
from dicegrad.prediction.restoration import restore
from dicegrad.preprocessing.align import on_image
from dicegrad.preprocessing.coding import Coding
from dicegrad.preprocessing.encoding import encode, resample_coded
from dicegrad.preprocessing.grids import Grid, network_grid
from dicegrad.preprocessing.kept import Kept, kept_volumes
from dicegrad.preprocessing.labeling import IGNORE
from dicegrad.preprocessing.prepare import drawn, map_cases
from dicegrad.preprocessing.settings import Preprocessing


@dataclass(frozen=True)
class Ceiling:
    """What the grid costs one class of one case that has it.

    Attributes:
        case: Name of the case.
        dsc: Overlap of the true label with itself, brought to the grid and back: what a network
            that makes no mistake scores.
        kept: Volumes, and the share outside the grid.
    """

    case: str
    dsc: float
    kept: Kept


def label_ceiling(
    label: np.ndarray,
    original: Grid,
    grid: Grid,
    settings: Preprocessing,
    classes: Sequence[str],
    case: str = "",
    overlapping: bool = False,
) -> list[Ceiling]:
    """Bring a true label to the grid and back.

    Args:
        label: (X, Y, Z) uint8, k for ``classes[k - 1]``, on ``original``; `IGNORE` where no label
            is known, which no score looks at.
        original: The grid of the case's image.
        grid: The network's grid.
        settings: How labels go to the grid, and predictions back.
        classes: Names of the classes, in network order.
        case: Name of the case.
        overlapping: Whether the k-th bit stands for the k-th class instead; see `Coding`.

    Returns:
        One for each class that the label has.
    """
    coding = Coding(len(classes), overlapping)
    there = resample_coded(label, original, grid, coding, settings)
    known = np.where(there == IGNORE, 0, there)
    back = restore(known, grid, original, settings.restoration, overlapping)
    back[label == IGNORE] = 0
    overlap, returned = coding.both(label, back), coding.counts(back)
    kept = kept_volumes(label, original, there, grid, classes, overlapping)
    return [
        Ceiling(case, float(2 * same / (each.voxels + came)), each)
        for each, same, came in zip(kept, overlap, returned, strict=True)
        if each.voxels
    ]


def case_ceiling(
    case: Case, adapter: Adapter, classes: Sequence[str], settings: Preprocessing
) -> list[Ceiling]:
    """As `label_ceiling`, from the files of a case.

    Raises:
        InputError: A file cannot be read, or there is nothing to centre the crop on.
    """
    raw = read_volume(case.label)
    headers = list(read_headers(case.images))
    raw = on_image(case.label, raw, headers[0], settings.align)
    turn = turn_of(headers, settings.orientation)
    raw = turn.volume(raw)
    label, original = encode(raw.voxels, adapter, classes), raw.grid
    overlapping = Coding.of(adapter.class_values, classes).overlapping
    try:
        seen = _seen_by_crop(case, raw, settings, turn)
        grid = network_grid(seen, settings, drawn(raw, adapter))
    except InputError as error:
        raise InputError(f"case {case.case}: {error}") from error
    return label_ceiling(label, original, grid, settings, classes, case.case, overlapping)


def _seen_by_crop(case: Case, raw: Volume, settings: Preprocessing, turn: Turn) -> Volume:
    """The image, where the crop looks at its voxels; else the label map, which lies on its grid."""
    if settings.crop != "foreground":
        return raw
    return turn.volume(read_channels(case.images)[0])


def dataset_ceiling(
    cases: Sequence[Case],
    adapter: Adapter,
    classes: Sequence[str],
    settings: Preprocessing,
    workers: int = 1,
    done: Callable[[], None] | None = None,
) -> list[Ceiling]:
    """The ceilings of all cases of a dataset.

    Args:
        cases: The cases, in any order.
        adapter: The dataset's label values.
        classes: Names of the classes, in network order.
        settings: Grid, crop and resampling.
        workers: Number of processes.
        done: Called after each case.

    Raises:
        InputError: One line for each case that cannot be used.
    """
    work = partial(_try_case, adapter=adapter, classes=tuple(classes), settings=settings)
    found: list[Ceiling] = []
    problems: list[str] = []
    for result in map_cases(work, cases, workers):
        if isinstance(result, InputError):
            problems += result.args
        else:
            found += result
        if done is not None:
            done()
    if problems:
        raise InputError(*problems)
    return found


def _try_case(
    case: Case, adapter: Adapter, classes: tuple[str, ...], settings: Preprocessing
) -> list[Ceiling] | InputError:
    """The ceiling of a case, or what is wrong with it, so that the others go on."""
    try:
        return case_ceiling(case, adapter, classes, settings)
    except InputError as error:
        return error


def describe(ceilings: Sequence[Ceiling], classes: Sequence[str], worst: int = 3) -> list[str]:
    """Lines that say what the grid keeps of each class, and which cases lose most.

    Args:
        ceilings: Of all cases.
        classes: Names of the classes, in the order of the lines.
        worst: How many cases to name for each class.

    Returns:
        A table with one line a class (cases, mean and lowest DSC, total volume on the grid against
        the original, share outside), then the worst cases of each class.
    """
    wide = max(map(len, (*classes, "class")))
    head = "cases  mean DSC  lowest DSC  volume kept  outside the grid"
    table, named = [f"{'class':{wide}}  {head}"], []
    for name in classes:
        rows = [each for each in ceilings if each.kept.name == name]
        if not rows:
            table.append(f"{name:{wide}}  {0:5}")
            continue
        lowest = sorted(rows, key=lambda each: each.dsc)[:worst]
        total = sum(each.kept.original_ml for each in rows)
        kept = sum(each.kept.grid_ml for each in rows) / total
        outside = sum(each.kept.outside * each.kept.original_ml for each in rows) / total
        mean = np.mean([each.dsc for each in rows])
        table.append(
            f"{name:{wide}}  {len(rows):5}  {mean:8.4f}  {lowest[0].dsc:10.4f}  {kept:11.1%}"
            f"  {outside:16.2%}"
        )
        named += [_worst(each) for each in lowest if each.dsc < 1]
    return table + (["lowest:", *named] if named else [])


def _worst(each: Ceiling) -> str:
    kept = each.kept
    return (
        f"  {kept.name} of {each.case}: DSC {each.dsc:.4f}, {kept.grid_ml:.1f} of "
        f"{kept.original_ml:.1f} ml on the grid, {kept.outside:.1%} of its voxels outside"
    )

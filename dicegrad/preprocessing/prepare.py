"""Cases as the network wants them: resampled, normalised, and stacked in a few large files."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from dicegrad.arrays import new_array
from dicegrad.data.adapter import Adapter, Case
from dicegrad.data.annotated import contradictions
from dicegrad.data.cases import check_originals
from dicegrad.data.checks import check_geometry, check_voxels
from dicegrad.data.orientation import Turn, turn_of
from dicegrad.data.volumes import Header, Volume, read_channels, read_volume
from dicegrad.errors import InputError
from dicegrad.interrupts import end_at_interrupts
from dicegrad.preprocessing.about import About, write_about
from dicegrad.preprocessing.align import on_image
from dicegrad.preprocessing.coding import Coding
from dicegrad.preprocessing.encoding import encode, resample_coded
from dicegrad.preprocessing.grids import (
    Grid,
    bounding_box,
    covering_grid,
    network_grid,
    whole_grid,
)
from dicegrad.preprocessing.kept import (
    Kept,
    describe_kept,
    kept_volumes,
    refuse_blind,
    refuse_lost,
)
from dicegrad.preprocessing.normalisation import lost_contrast, normalise
from dicegrad.preprocessing.resampling import blas_on_one_thread, resample_image
from dicegrad.preprocessing.settings import Preprocessing

Result = TypeVar("Result")


@dataclass(frozen=True)
class Prepared:
    """One case on the network's grid.

    Attributes:
        image: (C, X, Y, Z) float16.
        grid: Where those voxels lie.
        original: The header of the case's first image.
        label: (X, Y, Z) uint8, see `Coding`; None of a new image.
        kept: How much of each class the grid keeps.
        doubts: Lines on channels that have lost their contrast.
    """

    image: np.ndarray
    grid: Grid
    original: Header
    label: np.ndarray | None = None
    kept: tuple[Kept, ...] = ()
    doubts: tuple[str, ...] = ()


def prepare_case(
    case: Case, adapter: Adapter, classes: Sequence[str], settings: Preprocessing
) -> Prepared:
    """Read, check, resample and normalise one case.

    Args:
        case: Its files.
        adapter: The dataset's channels and label values.
        classes: Names of the classes, in network order.
        settings: Grid, crop, resampling and normalisation.

    Raises:
        InputError: A file cannot be read, its content cannot be used, or the grid sees nothing of
            the image or of a class.
    """
    check_originals(case)
    images = read_channels(case.images)
    raw = read_volume(case.label)
    check_geometry(case.images, images, (case.label, raw), settings.align)
    raw = on_image(case.label, raw, images[0].header, settings.align)
    _check(case, images, raw, adapter)
    try:
        prepared = prepare_images(images, settings, drawn(raw, adapter))
        grid = prepared.grid
        turned = _turn(images, settings).volume(raw)
        label, original = encode(turned.voxels, adapter, classes), turned.grid
        coding = Coding.of(adapter.class_values, classes)
        resampled = resample_coded(label, original, grid, coding, settings)
        kept = kept_volumes(label, original, resampled, grid, classes, coding.overlapping)
        refuse_lost(kept, settings, grid)
    except InputError as error:
        raise InputError(f"case {case.case}: {error}") from error
    return replace(prepared, label=resampled, kept=kept)


def prepare_images(
    images: Sequence[Volume],
    settings: Preprocessing,
    label: Volume | None = None,
    whole: bool = False,
    own: Grid | None = None,
) -> Prepared:
    """Resample and normalise the images of one case.

    Args:
        images: Its C channels, on one grid.
        settings: Grid, crop, resampling and normalisation.
        label: Its label map; only ``crop: label`` looks at it.
        whole: Resample to a larger grid, in step with the network's, that has all of the image.
            Its intensities are those that the network's grid would have them be.
        own: The network's grid of this case, if it is known.

    Returns:
        The case without a label.

    Raises:
        InputError: There is nothing to centre the crop on, or the grid sees none of the image.
    """
    turn = _turn(images, settings)
    turned = [turn.volume(image) for image in images]
    original = turned[0].grid
    own = own or network_grid(turned[0], settings, label and turn.volume(label))
    grid = whole_grid(original, own) if whole else own
    refuse_blind(original, own if settings.normalisation.of_grid else grid, settings)
    channels = [_prepare_channel(i.voxels, original, grid, own, settings) for i in turned]
    doubts = tuple(
        f"channel {number} of {len(channels)} {doubt}"
        for number, (_, doubt) in enumerate(channels, 1)
        if doubt
    )
    stack = np.stack([channel for channel, _ in channels])
    return Prepared(stack, grid, images[0].header, doubts=doubts)


def drawn(raw: Volume, adapter: Adapter) -> Volume:
    """A label map without ignored voxels, which no crop is to be centred on."""
    if adapter.ignore is None:
        return raw
    return Volume(np.where(raw.voxels == adapter.ignore, 0, raw.voxels), raw.header)


def _turn(images: Sequence[Volume], settings: Preprocessing) -> Turn:
    """How the axes of a case are turned before anything else."""
    return turn_of((image.header for image in images), settings.orientation)


def _check(case: Case, images: Sequence[Volume], raw: Volume, adapter: Adapter) -> None:
    """Refuse voxels that cannot be used."""
    label = raw.voxels
    # Background is allowed anyway, so that the rest of the label map is all that is looked at.
    box = bounding_box(label)
    values = label[box] if label[box].size else np.zeros(1, label.dtype)
    check_voxels(case, [image.voxels for image in images], values, adapter)
    if problems := contradictions(case, values, adapter.class_values):
        raise InputError(*problems)


def _prepare_channel(
    volume: np.ndarray, original: Grid, grid: Grid, own: Grid, settings: Preprocessing
) -> tuple[np.ndarray, str]:
    """Resample and normalise one image: (X, Y, Z) float16 on a grid; and a doubt.

    The mean is that of the network's own grid, also on a larger one: an image looks as it would
    have in training, whatever lies around.
    """
    # Where the mean is that of the non-zero voxels, it is that of the whole head, not of the crop.
    head = settings.normalisation.over == "nonzero"
    field, start = covering_grid(original, grid) if head else (grid, (0, 0, 0))
    image, mask = resample_image(volume, original, field, settings.antialias)
    block = ... if head else _block(grid, own)
    normalised = normalise(image, mask, settings.normalisation, block)
    channel = cut(normalised, start, grid.size).astype(np.float16)
    inside = cut(mask, start, grid.size)
    return channel, lost_contrast(cut(image, start, grid.size), channel, inside)


def _block(grid: Grid, part: Grid) -> tuple[slice, ...]:
    """Where a grid lies on a larger one that is in step with it."""
    starts = (round(float(positions[0])) for positions in grid.positions(part))
    return tuple(slice(s, s + n) for s, n in zip(starts, part.size, strict=True))


def cut(volume: np.ndarray, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """The block of ``size`` voxels whose first one lies ``-start`` into the volume; 0 off it."""
    block = np.zeros(size, volume.dtype)
    source, target = [], []
    for first, length, wanted in zip(start, volume.shape, size, strict=True):
        low, high = max(first, 0), min(first + length, wanted)
        target.append(slice(low, max(high, low)))
        source.append(slice(low - first, max(high, low) - first))
    block[tuple(target)] = volume[tuple(source)]
    return block


def prepare_dataset(
    cases: Sequence[Case],
    adapter: Adapter,
    classes: Sequence[str],
    settings: Preprocessing,
    out_images: Path,
    out_labels: Path,
    out_about: Path,
    workers: int = 1,
    progress: Callable[[int, int, str], None] = lambda done, total, case: None,
    doubt: Callable[[str], None] = lambda line: None,
) -> None:
    """Prepare all cases of a dataset and write them as three files, all or none.

    Args:
        cases: N cases, in the order of the case table.
        adapter: The dataset's channels and label values.
        classes: Names of the classes, in network order.
        settings: Grid, crop, resampling and normalisation.
        out_images: (N, C, X, Y, Z) float16 .npy.
        out_labels: (N, X, Y, Z) uint8 .npy, full labels.
        out_about: JSON, see `About`.
        workers: Number of processes.
        progress: Called after each case with (cases done, cases in all, a line that names the case
            and what the grid keeps of each class).
        doubt: Takes a line on each channel of a case that has lost its contrast.

    Raises:
        InputError: One line for each case that cannot be used.
    """
    work = partial(_try_case, adapter=adapter, classes=tuple(classes), settings=settings)
    shape = (len(cases), len(adapter.channels), *settings.size)
    problems: list[str] = []
    with (
        new_array(out_images, shape, np.float16) as images,
        new_array(out_labels, (shape[0], *shape[2:]), np.uint8) as labels,
    ):
        grids, originals = {}, {}
        for i, (case, result) in enumerate(
            zip(cases, map_cases(work, cases, workers), strict=True)
        ):
            if isinstance(result, InputError):
                problems += result.args
                line = f"{case.case}  cannot be used"
            else:
                line = f"{case.case}  {describe_kept(result.kept)}"
                images[i], labels[i] = result.image, result.label
                grids[case.case], originals[case.case] = result.grid, result.original
                for each in result.doubts:
                    doubt(f"case {case.case}: {each}")
            progress(i + 1, len(cases), line)
        if problems:
            raise InputError(*problems)
    values = {name: adapter.class_values[name] for name in classes}
    about = About(
        adapter.channels,
        tuple(classes),
        values,
        adapter.ignore,
        grids,
        originals,
        settings.align,
    )
    write_about(out_about, about)


def _try_case(
    case: Case, adapter: Adapter, classes: tuple[str, ...], settings: Preprocessing
) -> Prepared | InputError:
    """Prepare a case, or return what is wrong with it, so that the others go on."""
    try:
        return prepare_case(case, adapter, classes, settings)
    except InputError as error:
        return error


def map_cases(
    work: Callable[[Case], Result], cases: Sequence[Case], workers: int
) -> Iterator[Result]:
    """Do the work on each case, in order, in as many processes as asked for."""
    workers = min(workers, len(cases))
    if workers <= 1:
        yield from map(work, cases)
        return
    # Forked processes need no importable main module, which a workflow's script is not.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else None)
    with ProcessPoolExecutor(workers, context, initializer=_start_process) as pool:
        yield from pool.map(work, cases)


def _start_process() -> None:
    """One thread per process, since they share the cores; the first one reports an interrupt."""
    end_at_interrupts()
    blas_on_one_thread()  # for good: threads that come and go between two volumes keep a core busy

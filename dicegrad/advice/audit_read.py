"""Find label maps, and count the voxels of each value; nothing but labels is read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dicegrad.data import dataset_json
from dicegrad.data.beside import find_beside
from dicegrad.data.cases import repeated
from dicegrad.data.formats import PICTURES
from dicegrad.data.nnunet import GROUPS, case_names, read_groups
from dicegrad.data.volumes import read_volume
from dicegrad.errors import InputError
from dicegrad.files import read_cells, user_path
from dicegrad.interrupts import end_at_interrupts
from dicegrad.machine import cores

ENDINGS = (".nii.gz", ".nii", ".mha", ".mhd", ".nrrd", ".nhdr")
# The reader refuses these with a remedy; passed over, their cases would be missing without a word.
_REFUSED = (".hdr",)
_FEW = 24  # so many maps are read sooner than processes start


@dataclass(frozen=True)
class LabelFile:
    """A label map of a case, and its group if the data set has groups."""

    case: str
    path: Path
    group: str | None = None


@dataclass(frozen=True)
class Counted:
    """Voxels of each value but 0, the volume of a voxel in ml, and voxels of the whole map."""

    voxels: Mapping[int, int]
    ml: float
    size: int


@dataclass(frozen=True)
class Labels:
    """What `find_labels` found.

    Attributes:
        files: In order.
        classes: If the data set names them.
        tests: Cases of a test set beside them, which are not read.
    """

    files: tuple[LabelFile, ...]
    classes: Mapping[str, tuple[int, ...]] | None
    tests: frozenset[str] = frozenset()


def find_labels(source: Path) -> Labels:
    """Find the label maps of a folder, an nnU-Net, MSD or ACDC root, or a case table.

    Args:
        source: A folder with dataset.json (nnU-Net, MSD), with patientXXX/Info.cfg (ACDC), or of
            label maps, where pictures are read if there is nothing else; or a table with columns
            case and label, and group if there are groups.

    Raises:
        InputError: There is no label map, a case has two, or a table or dataset.json cannot be
            used.
    """
    found = _find(user_path(source))
    if twice := repeated(each.case for each in found.files):
        of_it = [each.path for each in found.files if each.case == twice[0]]
        raise InputError(
            f"{source}: case {twice[0]} has {len(of_it)} label maps, {of_it[0]} and {of_it[1]}; "
            "keep one"
        )
    return found


def _find(source: Path) -> Labels:
    if source.is_file() and _ending(source):
        raise InputError(
            f"{source}: is one label map; name its folder, or a table with columns case and label"
        )
    if source.is_file() and source.suffix.lower() == ".json":
        raise InputError(f"{source}: is no table; name the folder that it lies in, {source.parent}")
    if source.is_file():
        return Labels(tuple(_of_table(source)), None)
    if not source.is_dir():
        raise InputError(f"{source}: no such folder or table; name a folder of label maps")
    if (source / "dataset.json").is_file():
        return _of_nnunet(source)
    if any(source.glob("patient*/Info.cfg")) or any(source.glob("training/patient*/Info.cfg")):
        return _of_acdc(source)
    files = _of_folder(source)
    if not files:
        below = [each for each in sorted(source.iterdir()) if each.is_dir() and _of_folder(each)]
        raise InputError(
            f"{source}: no label map in it; it should hold files {', '.join(ENDINGS)} or pictures, "
            f"or name a folder that does{f', such as {below[0]}' if below else ''}"
        )
    return Labels(tuple(LabelFile(_case(path), path) for path in files), None)


def count_all(
    files: Sequence[LabelFile], report: Callable[[int], None] | None = None
) -> dict[str, Counted]:
    """Count the voxels of each value in each label map.

    Args:
        files: The maps.
        report: Told how many are done.

    Returns:
        Case -> counts.

    Raises:
        InputError: A file cannot be read, or holds values that are not whole.
    """
    paths = [each.path for each in files]
    if len(files) <= _FEW or cores() == 1:
        return _gather(files, map(count, paths), report)
    with ProcessPoolExecutor(cores(), initializer=end_at_interrupts) as pool:
        return _gather(files, pool.map(count, paths, chunksize=8), report)


def _gather(
    files: Sequence[LabelFile],
    counted: Iterable[Counted],
    report: Callable[[int], None] | None,
) -> dict[str, Counted]:
    found = {}
    for each, result in zip(files, counted, strict=True):
        found[each.case] = result
        if report:
            report(len(found))
    return found


def count(path: Path) -> Counted:
    """Voxels of each value but 0 of one label map."""
    values, spacing = _read_label(path)
    # Few voxels are foreground: what costs is to look at the others, so that happens once.
    inside = values[values != 0]
    numbers, voxels = np.unique(inside, return_counts=True)
    if not np.array_equal(numbers, np.round(numbers)):
        odd = numbers[numbers != np.round(numbers)][0]
        raise InputError(f"{path}: holds {odd:g}; a label map has whole numbers only")
    ml = float(np.prod([abs(s) for s in spacing])) / 1000
    found = dict(zip(numbers.astype(int).tolist(), voxels.tolist(), strict=True))
    return Counted(found, ml, values.size)


def _read_label(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """All values of a label map, in any order, and its spacing in mm."""
    volume = read_volume(path)
    return volume.voxels.ravel(order="K"), volume.grid.spacing


def _of_folder(folder: Path) -> list[Path]:
    """The label maps of a folder; pictures where there is nothing else, beside maps they show them.

    What a file manager hides, it has often written itself.
    """
    seen = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    maps = [path for path in seen if _ending(path) in (*ENDINGS, *_REFUSED)]
    return maps or [path for path in seen if _ending(path)]


def _ending(path: Path) -> str:
    """The ending of a volume or picture, in small letters; empty if it is neither."""
    name = path.name.lower()
    return next((e for e in (*ENDINGS, *_REFUSED, *PICTURES) if name.endswith(e)), "")


def _case(path: Path) -> str:
    return path.name[: len(path.name) - len(_ending(path))]


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a table with commas, semicolons or tabs; every field stays text.

    Raises:
        InputError: The table cannot be read, a row is cut, or there is no line below its header.
    """
    header, lines = read_cells(user_path(path), delimiter=None)
    if not lines:
        raise InputError(f"{path}: no line below its header; write one line per case")
    columns = [name.strip() for name in header]
    return columns, [dict(zip(columns, map(str.strip, cells), strict=True)) for _, cells in lines]


def _of_table(path: Path) -> list[LabelFile]:
    columns, rows = read_rows(path)
    absent = [name for name in ("case", "label") if name not in columns]
    if absent:
        raise InputError(f"{path}: no column {', '.join(absent)}; columns are {columns}")
    files = []
    for row in rows:
        label = Path(row["label"])
        beside = path.parent / label
        files.append(
            LabelFile(row["case"], beside if beside.exists() else label, row.get("group") or None)
        )
    gone = [each for each in files if not each.path.is_file()]
    if gone:
        raise InputError(f"{path}: case {gone[0].case}: no file {gone[0].path}; correct the path")
    return files


def _of_nnunet(root: Path) -> Labels:
    about_path = root / dataset_json.NAME
    about = dataset_json.read_dataset_json(about_path)
    classes = dataset_json.class_values(about, about_path)
    folder = root / "labelsTr"
    ending = dataset_json.file_ending(about, about_path)
    paths = [p for p in sorted(folder.glob(f"*{ending}")) if not p.name.startswith(".")]
    if not paths:
        raise InputError(f"{folder}: no label map *{ending} in it; put the labels there")
    groups = read_groups(table := find_beside(root, GROUPS))
    cases = [path.name[: -len(ending)] for path in paths]
    if table and (unlisted := [case for case in cases if case not in groups]):
        raise InputError(f"{table}: no line for case {unlisted[0]}; add one")
    of_case = {case: group for case, (_, group) in groups.items()}
    files = [LabelFile(c, p, of_case.get(c)) for c, p in zip(cases, paths, strict=True)]
    return Labels(tuple(files), classes, frozenset(case_names(root, ending, "Ts") - set(cases)))


def _of_acdc(root: Path) -> Labels:
    from dicegrad.data.acdc import ACDC

    cases = [case for case in ACDC.scan(root).cases if case.label.is_file()]
    if not cases:
        raise InputError(f"{root}: no label map patientXXX_frameNN_gt.nii.gz in it")
    return Labels(
        tuple(LabelFile(case.case, case.label, case.group) for case in cases),
        dict(ACDC.class_values),
    )

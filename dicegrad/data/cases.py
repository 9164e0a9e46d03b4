"""One case table for every dataset: found by its adapter, written and read as TSV."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dicegrad.data.acdc import ACDC
from dicegrad.data.adapter import Adapter, Case, Scan
from dicegrad.data.brats import BRATS
from dicegrad.data.nnunet import nnunet_adapter
from dicegrad.errors import InputError

ADAPTERS = ("acdc", "brats", "nnunet")
COLUMNS = ("case", "subject", "group", "label")


def get_adapter(name: str, root: Path | None = None) -> Adapter:
    """Return the adapter of that name.

    Args:
        name: ``acdc``, ``brats`` or ``nnunet``.
        root: The dataset's folder; read for ``nnunet`` alone, whose dataset.json names channels
            and classes.

    Raises:
        InputError: There is no such adapter, or an nnU-Net folder cannot be used.
    """
    if name == "acdc":
        return ACDC
    if name == "brats":
        return BRATS
    if name == "nnunet":
        if root is None:
            raise InputError("adapter nnunet: no root; set `root` to the folder with dataset.json")
        return nnunet_adapter(Path(root))
    raise InputError(f"adapter: {name!r} is not known; use one of {', '.join(ADAPTERS)}")


def check_names(dataset: Mapping[str, Any], adapter: Adapter, where: str) -> None:
    """See that the groups and classes which a dataset's settings name are those of its data.

    Args:
        dataset: Its settings.
        adapter: Says which groups and classes there are.
        where: Dataset or file, for the message.

    Raises:
        InputError: One is not, say a misspelt group.
    """
    sampling = dataset.get("sampling", {})
    group_keys = {
        "missing.group": [dataset["missing"]["group"]] if "missing" in dataset else [],
        "examples": dataset.get("examples", {}),
        **{f"sampling.{labeling}": times for labeling, times in sampling.items()},
    }
    checks = [("classes", dataset["classes"], tuple(adapter.class_values), "classes")]
    checks += [(key, named, adapter.groups, "groups") for key, named in group_keys.items()]
    for key, named, known, word in checks:
        if unknown := [name for name in named if name not in known]:
            raise InputError(
                f"{where}: {key} names {unknown[0]!r}; the {word} of its data are "
                f"{', '.join(known)}"
            )


def scan_cases(adapter: Adapter | str, root: Path) -> Scan:
    """Find the cases under ``root`` together with what is wrong with its folders.

    Args:
        adapter: The adapter, or its name.
        root: The dataset's folder.

    Raises:
        InputError: The root does not exist or holds no case.
    """
    if isinstance(adapter, str):
        adapter = get_adapter(adapter, root)
    return adapter.scan(Path(root))


def find_cases(adapter: Adapter | str, root: Path) -> list[Case]:
    """Find the cases under ``root``, in a fixed order, without opening a volume.

    Args:
        adapter: The adapter, or its name.
        root: The dataset's folder.

    Returns:
        Cases in the dataset's order (ACDC: by patient, ED before ES; BRATS: HGG before LGG, by
        name; nnU-Net: by name). Their files may still be missing: see `dicegrad.data.checks`.

    Raises:
        InputError: The root does not exist, holds no case, or a folder names none.
    """
    found = scan_cases(adapter, root)
    if found.problems:
        raise InputError(summary(found.problems))
    return list(found.cases)


def raw_files(adapter: Adapter | str, root: Path) -> list[Path]:
    """List every existing file that a study of ``root`` reads, sorted; opens no volume.

    Cheap enough for planning, and content with empty files.

    Raises:
        InputError: The root does not exist or holds no case.
    """
    if isinstance(adapter, str):
        adapter = get_adapter(adapter, root)
    return adapter.files(Path(root))


def summary(problems: Sequence[str], log: Path | None = None) -> str:
    """Put several problems on one line: the first, and how many more there are.

    Args:
        problems: At least one line.
        log: Where all of them can be read.
    """
    more = len(problems) - 1
    if not more:
        return problems[0]
    where = f"; see {log}" if log else ""
    return f"{problems[0]} (and {more} more problem{'s' if more > 1 else ''}{where})"


def write_cases(path: Path, cases: Iterable[Case], channels: Sequence[str]) -> None:
    """Write the case table: case, subject, group, label, ``image_<channel>`` in order, fingerprint.

    The fingerprint changes with the content of any of the case's files, so that what reads files
    through the table can be told to run again when the table changes.

    Args:
        path: The TSV to write; its folder is made.
        cases: Cases with one image per channel.
        channels: Channel names, in order.

    Raises:
        InputError: A case has another number of images than there are channels.
    """
    rows = []
    for case in cases:
        if len(case.images) != len(channels):
            raise InputError(
                f"case {case.case}: {len(case.images)} images for the {len(channels)} channels "
                f"{', '.join(channels)}; give one image per channel"
            )
        files = (case.label, *case.images)
        rows.append([case.case, case.subject, case.group, *files, fingerprint(files)])
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow([*COLUMNS, *(f"image_{channel}" for channel in channels), "fingerprint"])
        writer.writerows(rows)


def fingerprint(files: Iterable[Path]) -> str:
    """Return 16 hex digits that tell the contents of some files from any others."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def read_cases(path: Path) -> list[Case]:
    """Read a case table as written by `write_cases`; every field stays text, so `001` does too.

    Args:
        path: The TSV; its ``image_<channel>`` columns give the images in channel order.

    Raises:
        InputError: The table is missing, lacks a column, has an empty field or a case twice.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no case table there; make it first")
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        columns = list(reader.fieldnames or [])
        images = [name for name in columns if name.startswith("image_")]
        absent = [name for name in COLUMNS if name not in columns]
        if absent or not images:
            wanted = ", ".join(absent) or "image_<channel>"
            raise InputError(f"{path}: no column {wanted}; columns are {columns}")
        cases: list[Case] = []
        for row in reader:
            empty = [name for name in (*COLUMNS, *images) if not row[name]]
            if empty:
                raise InputError(f"{path}: line {reader.line_num} has no {empty[0]}; fill it")
            paths = tuple(Path(row[name]) for name in images)
            cases.append(Case(row["case"], row["subject"], row["group"], paths, Path(row["label"])))
    twice = repeated(case.case for case in cases)
    if twice:
        raise InputError(f"{path}: case {twice[0]} comes twice; keep one line of it")
    return cases


def read_channels(path: Path) -> list[str]:
    """Read the channel names of a case table from its ``image_<channel>`` columns."""
    with Path(path).open(newline="", encoding="utf-8") as stream:
        columns = next(csv.reader(stream, delimiter="\t"), [])
    return [name.removeprefix("image_") for name in columns if name.startswith("image_")]


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that come more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)

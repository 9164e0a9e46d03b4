"""Getting the two datasets of the paper: fetched or placed, checked, unpacked, verified.

ACDC's archive is public; its server packs it for every visitor, so a checksum of the whole
archive need not stay the same, and what counts is the content. BRATS 2018 is given out to
registered users alone: its archive is placed by hand and then unpacked and verified alike.
"""

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dicegrad.data.adapter import Adapter, Case
from dicegrad.data.adapters import get_adapter
from dicegrad.data.archives import unpack
from dicegrad.data.cases import summary
from dicegrad.data.checks import find_problems
from dicegrad.data.volumes import read_volume
from dicegrad.errors import InputError
from dicegrad.logs import Report
from dicegrad.study import Dataset

MARKER = ".complete"  # in a root that was filled here, written together with the data


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from: the block `download` of its settings.

    Attributes:
        archive: Where the archive is kept; one that lies there is used.
        cases: How many cases of each group it holds.
        url: Where the archive is fetched from; None where the user has to place it.
        page: Where a person asks for the data.
        sha256: The archive's checksum, if it has a fixed one.
    """

    archive: Path
    cases: Mapping[str, int]
    url: str | None = None
    page: str | None = None
    sha256: str | None = None

    @classmethod
    def from_dict(cls, settings: Mapping) -> "Source":
        """Read the block `download`."""
        return cls(**{**settings, "archive": Path(settings["archive"])})


def obtain(
    name: str, root: Path, source: Source, retries: int = 5, report: Report | None = None
) -> Path:
    """Fetch a dataset's archive unless it is there already, unpack it to ``root`` and verify it.

    Data that lie in ``root`` already are verified and left as they are.

    Args:
        name: The adapter, ``acdc`` or ``brats``.
        root: Becomes the dataset's root.
        source: Where the archive comes from, and what it holds.
        retries: How often a broken connection is taken up again.
        report: Takes one line per step.

    Returns:
        The root.

    Raises:
        InputError: The archive cannot be fetched, is not there (the message says where to get it
            and where to put it), cannot be unpacked, or holds something else.
    """
    if _is_filled(root):
        verify(name, root, source.cases)
        return root
    from dicegrad.data.fetch import check_sha256, fetch  # slow to import, and seldom needed

    check_available(name, root, source)
    if source.url is None:
        check_sha256(source.archive, source.sha256)
    else:
        fetch(source.url, source.archive, source.sha256, retries, report)
    return install(name, source.archive, root, source.cases, report)


def check_available(name: str, root: Path, source: Source) -> None:
    """Raise unless the archive lies where it should, or can be fetched.

    Raises:
        InputError: One line: where to get the archive, and where to put it; or that an absolute
            root, misspelt or on a disk that is not mounted, has no folder to be made in.
    """
    if root.is_absolute() and not root.parent.is_dir():
        raise InputError(
            f"root {root}: does not exist, nor does {root.parent}; set `root` to the data, or make "
            "that folder, and they are put there"
        )
    if source.url is None and not source.archive.is_file():
        where = f" at {source.page}" if source.page else ""
        raise InputError(
            f"{source.archive}: not there. The archive of {name} is available on request: ask for "
            f"it{where}, put it at {source.archive.resolve()} and run this again; or put (or link) "
            f"the data, unpacked, into {root.resolve()}"
        )


def is_placed(root: Path) -> bool:
    """Whether something lies at ``root`` that was not installed here: never touched, only read."""
    if (root / MARKER).is_file():
        return False
    return _is_filled(root) or (os.path.lexists(root) and not root.is_dir())


def originals(dataset: Dataset, adapter: Adapter) -> str | list[Path]:
    """The files of a dataset as the user placed it, or what stands for one that is made here.

    That is the folder of a phantom, and of a download the marker that is written last.

    Raises:
        InputError: There are no data, and none can be fetched.
    """
    if dataset.block("phantom"):
        return str(dataset.root)
    if not dataset.block("download") or is_placed(dataset.root):
        files = adapter.files(dataset.root)
        for path in files:
            if "{" in str(path) or "}" in str(path):
                raise InputError(
                    f"{path}: has a brace in its path, which Snakemake takes for a wildcard; "
                    "rename it, or link the data from a folder without"
                )
        return files
    marker = dataset.root / MARKER
    if not marker.is_file():
        check_available(dataset.adapter, dataset.root, Source.from_dict(dataset.block("download")))
    return str(marker)


def install(
    name: str,
    archive: Path,
    root: Path,
    expected: Mapping[str, int],
    report: Report | None = None,
) -> Path:
    """Unpack an archive beside ``root``, verify it, and only then move it into place.

    Args:
        name: The adapter that reads it, ``acdc`` or ``brats``.
        archive: The archive.
        root: Must not exist or be empty.
        expected: Cases per group.
        report: Takes one line per step.

    Raises:
        InputError: The archive or its content cannot be used; ``root`` is left as it was.
    """
    report = report or (lambda line: None)
    root = root.resolve()
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"root {root}: is not empty; empty it or name another root")
    staging = root.with_name(f".{root.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        report(f"{archive}: {len(unpack(archive, staging))} files unpacked")
        top = _top(name, archive, staging)
        verify(name, top, expected)
        (top / MARKER).touch()
        if root.exists():
            root.rmdir()
        top.replace(root)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return root


def _top(name: str, archive: Path, staging: Path) -> Path:
    """Find the folder in an unpacked archive that serves as root, whatever it is wrapped in."""
    pattern = {"acdc": "training", "brats": "HGG"}[name]
    found = sorted(p for p in (staging, *staging.rglob("*")) if p.is_dir() and p.name == pattern)
    if len(found) != 1:
        raise InputError(
            f"{archive}: {len(found)} folders `{pattern}` in it, expected one; is it the official "
            "archive?"
        )
    return found[0].parent


def verify(name: str, root: Path, expected: Mapping[str, int]) -> None:
    """Check that a root holds a whole dataset: number of cases, files, headers, label values.

    Args:
        name: ``acdc`` or ``brats``.
        root: The dataset's root.
        expected: Cases per group.

    Raises:
        InputError: Something is missing or wrong; one line with the number of further problems.
    """
    adapter = get_adapter(name, root)
    found = adapter.scan(root)
    problems = [*found.problems, *find_problems(found.cases, adapter)]
    counts = Counter(case.group for case in found.cases)
    problems += [
        f"root {root}: {counts[group]} cases of group {group}, {name} has {number}; fetch it again"
        for group, number in expected.items()
        if counts[group] != number
    ]
    if not problems:
        problems = [line for case in found.cases for line in _label_values(case, adapter)]
    if problems:
        raise InputError(summary(problems))


def _label_values(case: Case, adapter: Adapter) -> list[str]:
    try:
        values = set(np.unique(read_volume(case.label).voxels).tolist())
    except InputError as error:
        return list(error.args)
    foreign = sorted(values - set(adapter.raw_values))
    known = ", ".join(map(str, adapter.raw_values))
    if foreign:
        return [f"{case.label}: label value {foreign[0]:g}; {adapter.name} has {known}"]
    if values <= {0}:
        return [f"{case.label}: nothing is labelled; {adapter.name} has {known}; fetch it again"]
    return []


def _is_filled(root: Path) -> bool:
    return root.is_dir() and any(root.iterdir())

"""Getting the two datasets of the paper: fetched or placed, checked, unpacked, verified.

ACDC's archive is public; its server packs it anew for every visitor, so a checksum of the whole
archive need not stay the same, and what counts is the content. BRATS 2018 is given out to
registered users alone: its archive is placed by hand and then unpacked and verified alike.
"""

import shutil
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np

from dicegrad.data.adapter import Adapter, Case
from dicegrad.data.archives import unpack
from dicegrad.data.cases import get_adapter, scan_cases, summary
from dicegrad.data.checks import find_problems
from dicegrad.data.fetch import Report, check_sha256, fetch, one_line
from dicegrad.errors import InputError

ACDC_URL = (
    "https://humanheart-project.creatis.insa-lyon.fr/database/api/v1/collection/"
    "637218c173e9f0047faa00fb/download"
)
ACDC_CASES = {"ED": 100, "ES": 100}
BRATS_CASES = {"HGG": 210, "LGG": 75}
BRATS_PAGE = "https://www.med.upenn.edu/sbia/brats2018/registration.html"
BRATS_ARCHIVE = "MICCAI_BraTS_2018_Data_Training.zip"


def download_acdc(
    root: Path,
    archive: Path,
    url: str = ACDC_URL,
    sha256: str | None = None,
    retries: int = 5,
    report: Report | None = None,
) -> Path:
    """Fetch the ACDC archive unless it is there already, unpack it to ``root`` and verify it.

    Args:
        root: Becomes the dataset's root, holding ``training/patientXXX``.
        archive: Where the archive is kept; one that lies there is used.
        url: Where it comes from.
        sha256: Its checksum, if the source has a fixed one.
        retries: How often a broken connection is taken up again.
        report: Takes one line per step.

    Returns:
        The root.

    Raises:
        InputError: The archive cannot be fetched or unpacked, or holds something else than 100
            patients with both frames and labels of 0 to 3.
    """
    if _installed("acdc", root, ACDC_CASES):
        return root
    fetch(url, archive, sha256, retries, report)
    return install("acdc", archive, root, ACDC_CASES, report)


def unpack_brats(
    root: Path, archive: Path, sha256: str | None = None, report: Report | None = None
) -> Path:
    """Unpack the BRATS 2018 training archive that the user has placed, and verify it.

    Args:
        root: Becomes the dataset's root, holding ``HGG`` and ``LGG``.
        archive: Where the user has put ``MICCAI_BraTS_2018_Data_Training.zip``.
        sha256: Its checksum, if known.
        report: Takes one line per step.

    Returns:
        The root.

    Raises:
        InputError: The archive is not there (the message says where to get it and where to put
            it), cannot be unpacked, or does not hold 210 HGG and 75 LGG subjects of five files.
    """
    if _installed("brats", root, BRATS_CASES):
        return root
    if not archive.is_file():
        raise InputError(
            f"{archive}: not there. BRATS 2018 is given out after registration: ask for the "
            f"training data at {BRATS_PAGE}, put {BRATS_ARCHIVE} at {archive} and run this again; "
            f"or put (or link) its folders HGG and LGG into {root}"
        )
    check_sha256(archive, sha256)
    return install("brats", archive, root, BRATS_CASES, report)


def install(
    name: str,
    archive: Path,
    root: Path,
    expected: dict[str, int],
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
        if root.exists():
            root.rmdir()
        top.replace(root)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    report(f"root {root}: complete, {sum(expected.values())} cases verified")
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


def verify(name: str, root: Path, expected: dict[str, int]) -> None:
    """Check that a root holds a whole dataset: number of cases, files, headers, label values.

    Args:
        name: ``acdc`` or ``brats``.
        root: The dataset's root.
        expected: Cases per group.

    Raises:
        InputError: Something is missing or wrong; one line with the number of further problems.
    """
    adapter = get_adapter(name)
    found = scan_cases(adapter, root)
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
        values = set(np.unique(np.asarray(nib.load(case.label).dataobj)).tolist())
    except (OSError, EOFError, ValueError) as error:
        return [f"{case.label}: cannot be read ({one_line(error)}); fetch it again"]
    foreign = sorted(values - set(adapter.raw_values))
    known = ", ".join(map(str, adapter.raw_values))
    if foreign:
        return [f"{case.label}: label value {foreign[0]:g}; {adapter.name} has {known}"]
    if values <= {0}:
        return [f"{case.label}: nothing is labelled; {adapter.name} has {known}; fetch it again"]
    return []


def _installed(name: str, root: Path, expected: dict[str, int]) -> bool:
    """Return whether the root is filled already; if so, it must be whole."""
    if not root.is_dir() or not any(root.iterdir()):
        return False
    verify(name, root, expected)
    return True

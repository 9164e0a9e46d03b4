"""What all tests share."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from dicegrad.checksums import sum_file
from dicegrad.errors import InputError
from dicegrad.study import Experiment
from dicegrad.study.experiment import COLUMNS, DEFAULTS
from dicegrad.study.naming import name_setups
from dicegrad.training.trained import Trained

# A slow machine is no fault, and continuous integration asks the same questions every time.
settings.register_profile("dicegrad", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("dicegrad")


def refusal(function, *arguments):
    """The one line that a call is refused with."""
    with pytest.raises(InputError) as error:
        function(*arguments)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def needs(module, reason):
    """A module of another package; the test is skipped where it is absent, or cannot be imported.

    Some import torchvision, which refuses a build of torch that it was not made for.
    """
    try:
        return pytest.importorskip(module, reason=reason)
    except RuntimeError as error:
        if "torchvision" not in str(error):
            raise
        pytest.skip(f"{module}: torchvision does not fit torch here ({error})")


def trained_as(*, fold=0, **about):
    """What weights say of their training, where a test cares for little of it."""
    return Trained(
        fold=fold,
        seed=0,
        training={},
        epsilon=1e-7,
        sampling={},
        released=(),
        training_cases=(),
        **about,
    )


def find_cases(adapter, root):
    """The cases of a dataset, as rule `cases` finds them; the first problem is raised."""
    # Imported here, since what opens images is not there where the losses are tested alone.
    from dicegrad.data.adapters import (
        get_adapter,
    )  # where the losses are tested alone, it is not there
    from dicegrad.data.cases import summary

    found = get_adapter(adapter, root).scan(root)
    if found.problems:
        raise InputError(summary(found.problems))
    return list(found.cases)


def raw_files(adapter, root):
    """The files that a study of a dataset reads, as the workflow lists them."""
    from dicegrad.data.adapters import get_adapter

    return get_adapter(adapter, root).files(root)


def files_in(folder):
    """Names of the files in a folder, without the checksums that lie beside them."""
    names = {path.name for path in folder.iterdir()}
    return sorted(names - {sum_file(Path(name)).name for name in names})


def with_setups(scores):
    """Scores as `read_scores` gives those of a study: columns with their defaults, and setups."""
    scores = scores.assign(**{k: v for k, v in DEFAULTS.items() if k not in scores})
    rows = [Experiment(**row) for row in scores[list(COLUMNS)].to_dict("records")]
    names = name_setups(dict.fromkeys(rows))
    return scores.assign(setup=[names[row] for row in rows])


@pytest.fixture
def disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window, and without what it would ask the network by itself."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    for noisy in ("background-networking", "component-update", "sync"):
        flags.append(f"--disable-{noisy}")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()

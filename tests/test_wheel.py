"""What is installed is whole: settings are checked there as they are in a checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
READ = """
import sys
from pathlib import Path
import dicegrad
from dicegrad.study import Dataset
from dicegrad.errors import InputError

assert Path(dicegrad.__file__).parents[1] == Path(sys.argv[1]), dicegrad.__file__
try:
    print(Dataset.read(Path(sys.argv[2])).name)
except InputError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package as its wheel holds it."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("pyproject.toml", "README.md", "LICENSE", "setup.py"):
        if (REPOSITORY / name).exists():
            shutil.copy(REPOSITORY / name, source)
    unwanted = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(REPOSITORY / "dicegrad", source / "dicegrad", ignore=unwanted)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    command += ["--disable-pip-version-check", "--wheel-dir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Cannot import" in done.stderr or "No module named" in done.stderr:
        pytest.skip("setuptools is not installed here")
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "packages")
    return folder / "packages"


def read(installed, path, folder):
    """What the installed package says about a dataset file."""
    command = [sys.executable, "-c", READ, str(installed), str(path)]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_file_of_the_package_that_is_no_code_is_in_the_wheel(installed):
    def data(root):
        found = (path for path in root.rglob("*") if path.suffix in (".yaml", ".typed", ".html"))
        return {path.relative_to(root) for path in found if path.is_file()}

    assert data(installed / "dicegrad") == data(REPOSITORY / "dicegrad")
    assert Path("study/schemas/dataset.schema.yaml") in data(installed / "dicegrad")


def test_every_module_is_in_the_wheel(installed):
    def modules(root):
        return {path.relative_to(root) for path in root.rglob("*.py")}

    assert modules(installed / "dicegrad") == modules(REPOSITORY / "dicegrad")


def test_a_wrong_key_is_refused_by_the_installed_package(installed, tmp_path):
    shipped = (REPOSITORY / "config" / "datasets" / "heart.yaml").read_text()
    path = tmp_path / "heart.yaml"
    path.write_text(shipped)
    assert read(installed, path, tmp_path) == "heart"
    path.write_text(shipped.replace("epochs:", "epoch:"))
    said = read(installed, path, tmp_path)
    assert said.startswith(f"{path}: unknown key training.epoch; did you mean 'epochs'?")
    path.write_text(shipped.replace("epochs: ", "epochs: -"))
    assert "training.epochs is -" in read(installed, path, tmp_path)

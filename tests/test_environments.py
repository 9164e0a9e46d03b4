"""The ways to install agree on versions."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
# As Python calls a package that conda or PyPI calls otherwise.
MODULES = {"pytorch": "torch", "simpleitk": "SimpleITK", "PyYAML": "yaml"}
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}


def locked() -> dict[str, str]:
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {name.lower(): version for name, version in pairs}


def dependencies(path: Path) -> dict[str, str]:
    """Package -> version of an environment, from conda and, below it, from PyPI."""
    listed = yaml.safe_load(path.read_text())["dependencies"]
    pip = [line for each in listed if isinstance(each, dict) for line in each["pip"]]
    pairs = [each.partition(" =") for each in listed if isinstance(each, str)]
    return {name: version for name, _, version in [*pairs, *(p.partition("==") for p in pip)]}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_agree_with_the_lock(path):
    lock = locked()
    for name, version in dependencies(path).items():
        if name not in ("python", "pip"):
            assert version == lock[CONDA_NAMES.get(name, name)], name


def scripts_of(environment: str) -> list[Path]:
    """The scripts of the rules that run in an environment."""
    text = "".join(path.read_text() for path in (REPOSITORY / "rules").glob("*.smk"))
    rules = re.findall(r'envs/(\w+)\.yaml"(?:(?!envs/).)*?scripts/(\w+\.py)"', text, re.DOTALL)
    return sorted({REPOSITORY / "scripts" / name for where, name in rules if where == environment})


HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name in {}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hidden())
"""


@pytest.mark.parametrize("path", sorted((REPOSITORY / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_hold_what_their_scripts_import(path):
    held = list(dependencies(path))
    wanted = re.findall(r'"([A-Za-z][\w-]*)>=', (REPOSITORY / "pyproject.toml").read_text())
    absent = {MODULES.get(each, each) for each in wanted} - {
        MODULES.get(each, each) for each in held
    }
    code = HIDE.format(sorted(absent))
    scripts = scripts_of(path.stem)
    for script in scripts:
        body = ast.parse(script.read_text()).body
        imports = [each for each in body if isinstance(each, ast.Import | ast.ImportFrom)]
        code += "".join(f"{ast.unparse(each)}\n" for each in imports)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert scripts
    assert done.returncode == 0, done.stderr


def test_the_lock_holds_exact_versions_of_all_that_is_asked_for():
    lock = locked()
    text = (REPOSITORY / "pyproject.toml").read_text()
    wanted = re.findall(r'"([A-Za-z][\w-]*)>=', text)
    assert wanted
    for name in wanted:
        if name != "setuptools":
            assert name.lower() in lock, name

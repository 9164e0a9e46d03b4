"""The ways to install agree on versions."""

import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}


def locked() -> dict[str, str]:
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {name.lower(): version for name, version in pairs}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_agree_with_the_lock(path):
    lock = locked()
    for dependency in yaml.safe_load(path.read_text())["dependencies"]:
        name, version = dependency.split(" =")
        if name != "python":
            assert version == lock[CONDA_NAMES.get(name, name)], name


def test_the_lock_holds_exact_versions_of_all_that_is_asked_for():
    lock = locked()
    text = (REPOSITORY / "pyproject.toml").read_text()
    wanted = re.findall(r'"([A-Za-z][\w-]*)>=', text)
    assert wanted
    for name in wanted:
        if name != "setuptools":
            assert name.lower() in lock, name

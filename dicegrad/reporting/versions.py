"""The software that a study was evaluated with."""

import platform
from importlib.metadata import PackageNotFoundError, version

import pandas as pd

PACKAGES = (
    "dicegrad",
    "snakemake",
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "nibabel",
    "SimpleITK",
    "matplotlib",
    "seaborn",
)


def versions() -> pd.DataFrame:
    """Names and versions of Python and of the packages that are installed, in columns of text."""
    rows = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            rows[name] = version(name)
        except PackageNotFoundError:
            continue  # an environment of Snakemake's own may lack torch
    return pd.DataFrame(rows.items(), columns=["software", "version"])

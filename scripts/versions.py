"""With what the study was evaluated."""

import platform
from importlib.metadata import PackageNotFoundError, version

import pandas as pd

from dicegrad.evaluation.scores import write_scores
from dicegrad.logs import job
from dicegrad.reporting.formats import write_page

PACKAGES = (
    *("dicegrad", "snakemake", "torch", "numpy", "scipy", "pandas", "nibabel", "SimpleITK"),
    *("matplotlib", "seaborn"),
)

with job(snakemake.log[0]) as report:
    rows = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            rows[name] = version(name)
        except PackageNotFoundError:
            report(f"{name} is not in this environment")
    table = pd.DataFrame(rows.items(), columns=["software", "version"])
    write_scores(table, snakemake.output.table)
    write_page(table, snakemake.output.page, "Software of the environment that made the tables.")

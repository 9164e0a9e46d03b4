"""A study so small that it runs from raw files to report in a minute, and what to ask of it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
HEADER = "dataset\tlabeling\tloss\tphi\tepsilon\tbatch_size\n"
ROWS = (
    "heart\tfull\tdice\tI\t1e-7\t2\n"
    "heart\tpartial\tdice\tI\t1e-7\t2\n"
    "heart\tpartial\tdice\tI\theuristic\t2\n"
)
NETWORK = {
    "encoder": [[4, 4], [8, 8]],
    "decoder": [[4, 4]],
    "kernels": [[3, 3, 3], [3, 3, 1]],
    "pools": [[2, 2, 1]],
}


@dataclass(frozen=True)
class Study:
    """A working directory with a config and an experiment table of its own."""

    folder: Path
    workflow: Path = REPOSITORY  # holds the Snakefile, and the package that its jobs import

    @property
    def config_file(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def table(self) -> Path:
        return self.folder / "experiments.tsv"

    @property
    def results(self) -> Path:
        return self.folder / "results" / "tiny"

    def config(self) -> dict:
        return yaml.safe_load(self.config_file.read_text())

    def write_config(self, **changes) -> None:
        self.config_file.write_text(yaml.safe_dump({**self.config(), **changes}))

    def set(self, dataset_key: str, value) -> None:
        config = self.config()
        config["datasets"]["heart"][dataset_key] = value
        self.config_file.write_text(yaml.safe_dump(config))

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.python("snakemake", "--cores", "2", *arguments)

    def python(self, module: str, *arguments: str) -> subprocess.CompletedProcess:
        """Run a module that takes the options of Snakemake, as long as it needs."""
        command = [sys.executable, "-m", *module.split(), "--directory", str(self.folder)]
        command += ["--snakefile", str(self.workflow / "Snakefile")]
        command += ["--configfile", str(self.config_file), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(self.workflow)}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def run(self, *arguments: str) -> str:
        done = self.snakemake(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def plan(self, *arguments: str) -> dict[str, int]:
        """Jobs by rule that a dry run would do."""
        return jobs(self.run("-n", *arguments))

    def work(self, *arguments: str) -> dict[str, int]:
        """Jobs by rule that a dry run would do, without copies and checksums."""
        return work(self.run("-n", *arguments))


def work(output: str) -> dict[str, int]:
    """As `jobs`, without the copies of what the user wrote and the checksums of all files.

    They follow every word of the config, and cost nothing.
    """
    copies = ("settings", "checksums", "all")
    return {name: count for name, count in jobs(output).items() if name not in copies}


def jobs(output: str) -> dict[str, int]:
    """The table of job counts in Snakemake's output."""
    found = re.search(r"^job +count\n-+ +-+\n(.*?)^total", output, re.MULTILINE | re.DOTALL)
    lines = found.group(1).splitlines() if found else []
    return {name: int(count) for name, count in map(str.split, lines)}


def copy_workflow(folder: Path) -> Path:
    """A copy of workflow and package, younger than all results, that a test may change."""
    for name in ("rules", "scripts", "config", "profiles", "report", "envs", "dicegrad"):
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(
            REPOSITORY / name, folder / name, copy_function=shutil.copyfile, ignore=unwanted
        )
    shutil.copyfile(REPOSITORY / "Snakefile", folder / "Snakefile")
    return folder


def new_study(folder: Path) -> Study:
    """A tiny study of four phantom hearts, nothing of it done yet."""
    heart = {
        "phantom": {"kind": "heart", "subjects": 4, "seed": 0},
        "preprocessing": {"spacing": [6, 6, 10], "size": [16, 16, 6]},
        "network": NETWORK,
        "training": {"epochs": 2, "passes": 1},
    }
    config = {
        "study": "tiny",
        "experiments": "experiments.tsv",
        "device": "cpu",
        "draws": 1000,
        "datasets": {"heart": heart},
    }
    study = Study(folder)
    study.config_file.write_text(yaml.safe_dump(config))
    study.table.write_text(HEADER + ROWS)
    return study


@pytest.fixture
def study(tmp_path) -> Study:
    return new_study(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Study:
    """The tiny study, run to its end, report included. Only for looking at."""
    study = new_study(tmp_path_factory.mktemp("finished"))
    study.run()
    return study


@pytest.fixture
def rerun(finished, tmp_path) -> Study:
    """A copy of the finished study that a test may change."""
    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder, symlinks=True)
    return Study(folder)

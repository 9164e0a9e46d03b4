"""The small study, runs of it, and the hashes of its results."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from dicegrad.errors import InputError
from dicegrad.training.checkpoint import state_hash
from tests.workflow.conftest import HEADER, NETWORK, REPOSITORY

EXPERIMENT = "dataset~heart/labeling~partial/loss~dice/phi~I/epsilon~heuristic/batch_size~2"
FOLD = f"results/tiny/{EXPERIMENT}/fold~0"
# What has yet to be done when a fault comes, and how often that is tried.
STATES = {
    "everything": ("data", "resources", "results", "logs"),
    "preparation": ("resources", "results", "logs"),
    "training": ("results",),
    "prediction": (f"{FOLD}/predictions", f"results/tiny/{EXPERIMENT}/scores.tsv"),
}
OFTEN = {"everything": 1, "preparation": 2, "training": 5, "prediction": 3}
_STEPS = re.compile(r"^(\d+) of \d+ steps .* done", re.MULTILINE)
_LOOK = 0.3  # seconds between two looks at all processes, which cost time themselves
_STILL = 90.0  # seconds in which no process of a run uses its core: it waits for ever


def write_study(folder: Path) -> None:
    """Config and table of a study of one network, nothing of it done yet."""
    heart = {
        "phantom": {"kind": "heart", "subjects": 4, "seed": 0},
        "preprocessing": {"spacing": [6, 6, 10], "size": [16, 16, 6]},
        "network": NETWORK,
        "training": {"epochs": 6, "passes": 2, "checkpoint_minutes": 0},
    }
    config = {
        "study": "tiny",
        "experiments": "experiments.tsv",
        "device": "cpu",
        "folds": [0],
        "outputs": [],
        "datasets": {"heart": heart},
    }
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "experiments.tsv").write_text(HEADER + "heart\tpartial\tdice\tI\theuristic\t2\n")


@dataclass
class Run:
    """One snakemake and all the processes below it.

    Attributes:
        folder: Of the study.
        screen: File that holds what it prints.
    """

    folder: Path
    screen: Path
    process: psutil.Popen
    seen: dict[int, psutil.Process] = field(default_factory=dict)

    @classmethod
    def start(cls, folder: Path, screen: Path, *options: str) -> "Run":
        """Start the study as somebody at a terminal does, in a process group of its own."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
        command += ["--configfile", "config.yaml", "--cores", "2", *options]
        temporary = folder.with_name("tmp")
        temporary.mkdir(exist_ok=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)}
        environment["PYTHONPATH"] = str(REPOSITORY)
        with screen.open("wb") as file:
            process = psutil.Popen(
                command,
                cwd=folder,
                env=environment,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return cls(folder, screen, process)

    def text(self) -> str:
        """What is on the screen."""
        return self.screen.read_text(errors="replace")

    def steps(self) -> int:
        """How many steps are done."""
        done = _STEPS.findall(self.text())
        return int(done[-1]) if done else 0

    def alive(self) -> list[psutil.Process]:
        """All processes of the run that live, those of a snakemake that has died too."""
        try:
            every = [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            every = []
        self.seen |= {each.pid: each for each in every}
        return [each for each in self.seen.values() if _lives(each)]

    def jobs(self) -> list[psutil.Process]:
        """The processes that do the work of a rule."""
        return [each for each in self.alive() if ".snakemake/scripts" in " ".join(_words(each))]

    def wait(self, everybody: bool = False) -> int | None:
        """Wait for the end of snakemake, or of everybody; None if that never comes.

        Not the clock decides, since a busy machine is slow: a run is stuck when none of its
        processes uses the processor for long.
        """
        used, since = -1.0, time.monotonic()
        while alive := self.alive():
            if not everybody and self.process not in alive:
                break
            if (now := sum(map(_used, alive))) != used:
                used, since = now, time.monotonic()
            elif time.monotonic() - since > _STILL:
                return None
            time.sleep(_LOOK)
        return self.process.wait()

    def end(self) -> None:
        """End every process that is left of it."""
        for each in self.alive():
            if _lives(each):
                each.kill()
        self.process.wait()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _used(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:2])
    except psutil.Error:
        return 0.0


@dataclass(frozen=True)
class Base:
    """The study that nothing disturbed.

    Attributes:
        folder: Of the study.
        hashes: Of its results.
        pace: Seconds that a step took.
    """

    folder: Path
    hashes: dict[str, str]
    pace: float

    @classmethod
    def make(cls, folder: Path) -> "Base":
        """Run it once.

        Raises:
            RuntimeError: It does not even run without a fault.
        """
        write_study(folder / "base")
        begun = time.monotonic()
        run = Run.start(folder / "base", folder / "base.txt")
        if run.wait() != 0:
            raise RuntimeError(run.text())
        pace = (time.monotonic() - begun) / run.steps()
        return cls(folder / "base", result_hashes(folder / "base"), pace)

    def copy(self, folder: Path, state: str) -> None:
        """A copy of the finished study of which something has yet to be done."""
        shutil.copytree(self.folder, folder, symlinks=True)
        for name in STATES[state]:
            path = folder / name
            path.unlink() if path.is_file() else shutil.rmtree(path)


def result_hashes(folder: Path) -> dict[str, str]:
    """File -> hash, of the networks, label maps and tables of numbers of a study."""
    return {
        path.relative_to(folder).as_posix(): _hash(path)
        for path in _results(folder / "results" / "tiny")
    }


def _results(results: Path) -> Iterator[Path]:
    for pattern in ("weights.pt", "history.tsv", "scores.tsv", "epsilon.tsv", "*.nii.gz"):
        yield from (path for path in results.rglob(pattern) if not path.name.startswith("."))


def _hash(path: Path) -> str:
    if path.name != "weights.pt":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        return state_hash(path)  # what made them, such as the commit, stands in them too
    except InputError as error:
        return f"unreadable: {error}"

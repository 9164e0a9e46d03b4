"""The faults: what is done to a study while it runs, and how it is taken back."""

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch

from tests.faults.study import FOLD, STATES, Run

DAY = 86400.0


@dataclass
class Trial:
    """A study with a fault.

    Attributes:
        run: The run that the fault comes to.
        folder: Of the study.
        random: Decides all there is to decide.
        disk: Folder that is a small disk of its own, if the fault needs one.
        told: What was done, for the report.
        killed: Whether a process was ended, which no line of it can tell.
        harmless: Whether nothing may come of it at all.
        lift: Takes back what only its user can take back.
        others: Further runs.
    """

    run: Run
    folder: Path
    random: random.Random
    disk: Path | None = None
    told: str = ""
    killed: bool = False
    harmless: bool = False
    lift: Callable[[], None] = lambda: None
    others: list[Run] = field(default_factory=list)


Fault = Callable[[Trial], None]


def send(to: str, number: signal.Signals) -> Fault:
    """A signal to `snakemake`, `all` its group, or a random `job` or other `descendant`."""

    def fault(trial: Trial) -> None:
        trial.killed = True
        if to == "all":
            trial.told = f"{number.name} to the process group"
            with suppress(ProcessLookupError):
                os.killpg(trial.run.process.pid, number)
            return
        below = [each for each in trial.run.alive() if each.pid != trial.run.process.pid]
        choice = {"snakemake": [trial.run.process], "descendant": below, "job": trial.run.jobs()}
        if not choice[to]:
            trial.told = f"{number.name}: no {to} there"
            return
        process = trial.random.choice(choice[to])
        with suppress(psutil.NoSuchProcess):
            words = " ".join(map(os.path.basename, process.cmdline()))
            trial.told = f"{number.name} to {to} {words[:60]}"
            process.send_signal(number)

    return fault


def pause(trial: Trial) -> None:
    """Everything, or one process, stands still for a while."""
    trial.harmless = True
    alive = trial.run.alive()
    one = trial.random.random() < 0.5
    chosen = trial.random.sample(alive, 1) if one and alive else alive
    seconds = trial.random.uniform(0.5, 5)
    trial.told = f"SIGSTOP to {len(chosen)} of {len(alive)} processes for {seconds:.1f} s"
    for process in chosen:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(seconds)
    for process in chosen:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def full(trial: Trial) -> None:
    """The disk has no room, or nearly none."""
    assert trial.disk is not None
    ballast, leave = trial.disk / "ballast", trial.random.choice([0, 0, 1 << 12, 1 << 15, 1 << 17])
    with ballast.open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(1 << 12))
        with suppress(OSError):
            file.truncate(max(file.tell() - leave, 0))
    trial.told = f"{trial.disk.name} full but for {leave} bytes"
    trial.lift = lambda: ballast.unlink(missing_ok=True)


def read_only(trial: Trial) -> None:
    """The disk may no longer be written."""
    disk = trial.disk
    assert disk is not None
    trial.told = f"{disk.name} read-only"
    for _ in range(400):  # while a file is open for writing it cannot be done
        if _remount(disk, "ro"):
            break
        time.sleep(0.01)
    else:
        trial.told += " (not done: it was in use)"
        trial.harmless = True
    trial.lift = lambda: _remount(disk, "rw") and None


def _remount(disk: Path, how: str) -> bool:
    command = ["mount", "-o", f"remount,{how}", str(disk)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def damage(top: str, how: str) -> Fault:
    """A file below data/, resources/ or results/ is lost, cut, or one bit in it flips."""

    def fault(trial: Trial) -> None:
        path = _some_file(trial, top)
        if path is None:
            trial.told = f"{how}: nothing in {top} yet"
            return
        try:
            status, content = path.stat(), path.read_bytes()
            place = trial.random.randrange(max(len(content), 1))
            trial.told = f"{how} {path.relative_to(trial.folder)} at {place} of {len(content)}"
            if how == "lose":
                path.unlink()
                return
            if how == "flip" and content:
                bit = bytes([content[place] ^ 1 << trial.random.randrange(8)])
                path.write_bytes(content[:place] + bit + content[place + 1 :])
            elif how == "cut":
                path.write_bytes(content[:place])
            if trial.random.random() < 0.7:  # as a disk does it; otherwise as a program
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        except FileNotFoundError:
            trial.told = f"{how}: the file went first"

    return fault


def _some_file(trial: Trial, top: str) -> Path | None:
    """A file that is made or read by rules; what the tools keep for themselves is not."""
    folder = trial.folder / top
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.name not in (".snakemake_timestamp", ".lock")
        and path.suffix != ".log"
        and not path.name.endswith(".benchmark.tsv")
    )
    return trial.random.choice(files) if files else None


def lose_folder(trial: Trial) -> None:
    """All of results/ or resources/ is gone."""
    name = trial.random.choice(["resources", "results"])
    trial.told = f"{name}/ removed"
    shutil.rmtree(trial.folder / name, ignore_errors=True)


def second_run(trial: Trial) -> None:
    """Somebody starts the same command in the same folder."""
    screen = trial.run.screen.with_name("second.txt")
    trial.told = "a second run"
    trial.others.append(Run.start(trial.folder, screen))


def future(trial: Trial) -> None:
    """A file is of tomorrow, as after a clock that was set back."""
    path = _some_file(trial, trial.random.choice(["data", "resources", "results"]))
    if path is None:
        trial.told = "date: no file yet"
        return
    trial.told = f"{path.relative_to(trial.folder)} is of tomorrow"
    with suppress(FileNotFoundError):
        os.utime(path, (time.time() + DAY,) * 2)


def memory(trial: Trial) -> None:
    """A job may take little more memory than it has.

    It is one that has opened its log: what Python says when it cannot even load its libraries is
    not ours to say.
    """
    while not (jobs := [each for each in trial.run.jobs() if _has_log(trial.folder, each)]):
        if trial.run.process.poll() is not None:
            trial.told = "memory: no job there"
            return
        time.sleep(0.02)
    job = trial.random.choice(jobs)
    with suppress(psutil.NoSuchProcess):
        room = trial.random.choice([0, 1 << 20, 1 << 24, 1 << 26])
        limit = job.memory_info().vms + room
        trial.told = f"{room >> 10} KiB more memory for {Path(job.cmdline()[-1]).name}"
        job.rlimit(resource.RLIMIT_AS, (limit, limit))


def _has_log(folder: Path, job: psutil.Process) -> bool:
    """Whether the log of its rule is younger than a job."""
    with suppress(psutil.NoSuchProcess):
        rule = job.cmdline()[-1].split(".")[-2]  # tmp1234.train.py
        logs = folder.glob("logs/tiny/*.log") if rule == "output" else folder.rglob(f"{rule}*.log")
        return any(each.stat().st_mtime > job.create_time() for each in logs)
    return False


def checkpoint(what: str) -> Fault:
    """The training is killed, and its checkpoint lost, cut, flipped, or that of another one."""

    def fault(trial: Trial) -> None:
        path = trial.folder / FOLD / "checkpoint.pt"
        trial.killed, trial.told = True, f"training killed, checkpoint {what}"
        while not path.exists():
            if trial.run.process.poll() is not None or path.with_name("weights.pt").exists():
                trial.told += " (none came)"
                return
            time.sleep(0.005)
        time.sleep(trial.random.uniform(0, 0.5))
        for process in trial.run.jobs():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if not path.exists():
            return
        content = path.read_bytes()
        place = trial.random.randrange(len(content))
        if what == "lost":
            path.unlink()
        elif what == "cut":
            path.write_bytes(content[:place])
        elif what == "flipped":
            path.write_bytes(content[:place] + bytes([content[place] ^ 8]) + content[place + 1 :])
        else:
            state = torch.load(path, weights_only=True)
            state["configuration"]["seed"] = 1
            torch.save(state, path)

    return fault


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        fault: What happens.
        disk: Folder of the study that has to be a disk of its own.
        states: Of `study.STATES`, those in which it can happen.
    """

    fault: Fault
    disk: str = ""
    states: tuple[str, ...] = tuple(STATES)


_EARLY = ("everything", "preparation", "training")
KINDS: dict[str, Kind] = {
    "kill a job": Kind(send("job", signal.SIGKILL)),
    "kill any process": Kind(send("descendant", signal.SIGKILL)),
    "kill snakemake": Kind(send("snakemake", signal.SIGKILL)),
    "kill all": Kind(send("all", signal.SIGKILL)),
    "terminate": Kind(send("snakemake", signal.SIGTERM)),
    "terminate a job": Kind(send("job", signal.SIGTERM)),
    "interrupt": Kind(send("all", signal.SIGINT)),
    "pause": Kind(pause),
    "full results": Kind(full, "results"),
    "full resources": Kind(full, "resources", ("everything", "preparation")),
    "full temporary folder": Kind(full, "../tmp"),
    "read-only results": Kind(read_only, "results"),
    "read-only resources": Kind(read_only, "resources", ("everything", "preparation")),
    "read-only temporary folder": Kind(read_only, "../tmp"),
    **{
        f"{how} a file of {top}": Kind(damage(top, how))
        for top in ("data", "resources", "results")
        for how in ("lose", "cut", "flip")
    },
    "lose a folder": Kind(lose_folder),
    "two runs": Kind(second_run),
    "tomorrow": Kind(future),
    "little memory": Kind(memory),
    **{
        f"checkpoint {what}": Kind(checkpoint(what), states=_EARLY)
        for what in ("lost", "cut", "flipped", "foreign")
    },
}

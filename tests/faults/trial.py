"""One fault from beginning to end: what came of it, what was advised, and whether that helped."""

import random
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.disk import small_disk
from tests.faults.kinds import KINDS, Trial
from tests.faults.study import OFTEN, Base, Run, result_hashes
from tests.workflow.conftest import REPOSITORY

MOST_RUNS = 6
SAME, TOLD = "same hashes", "told, and then the same hashes"
_ERROR = re.compile(r"^error: (.*)", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last)"
_LOCKED = "Directory cannot be locked"
# What Snakemake says by itself when it refuses a file, and a library without memory.
_OF_OTHERS = (
    "has older modification time",
    _LOCKED,
    "Missing input files for rule",
    "Missing files after",
    "Memory allocation still failed",
)


@dataclass
class Outcome:
    """What came of a fault.

    Attributes:
        number: Of the trial.
        kind: Of the fault.
        told: What was done, and when.
        result: `SAME`, `TOLD`, or what is wrong.
        lines: What the screen said.
        seconds: That all of it took.
        of_snakemake: Whether a traceback of Snakemake's own stood on the screen, as when it cannot
            write its own files.
    """

    number: int
    kind: str
    told: str = ""
    result: str = ""
    lines: list[str] = field(default_factory=list)
    seconds: float = 0.0
    of_snakemake: bool = False

    @property
    def good(self) -> bool:
        """Whether it came out as promised."""
        return self.result in (SAME, TOLD)


def try_fault(base: Base, folder: Path, seed: int, number: int) -> Outcome:
    """Copy the study, disturb it, follow the advice, and compare.

    Args:
        base: The study that nothing disturbed.
        folder: For this trial; removed again if all is well.
        seed: With `number`, decides the fault and its moment.
        number: Of the trial; kinds take turns.
    """
    chance = random.Random(f"{seed} {number}")
    names = list(KINDS)
    random.Random(seed).shuffle(names)
    name = names[number % len(names)]
    kind, begun, outcome = KINDS[name], time.monotonic(), Outcome(number, name)
    states = [state for state in kind.states for _ in range(OFTEN[state])]
    state = chance.choice(states)
    folder.mkdir(parents=True)
    (folder / "tmp").mkdir()
    with ExitStack() as stack:
        base.copy(folder / "study", state)
        disk = None
        if kind.disk:
            where = (folder / "study" / kind.disk).resolve()
            try:
                disk = stack.enter_context(small_disk(where))
            except PermissionError as error:
                outcome.result = f"not tried: {error}"
                return outcome
        run = Run.start(folder / "study", folder / "run-1.txt")
        stack.callback(run.end)
        trial = Trial(run, folder / "study", chance, disk)
        stack.callback(lambda: [each.end() for each in trial.others])
        stack.callback(lambda: trial.lift())
        moment = _wait_for_the_moment(run, base, chance, state)
        kind.fault(trial)
        outcome.told = f"{state} to be done, {moment}: {trial.told}"
        _follow(base, trial, outcome)
    outcome.seconds = time.monotonic() - begun
    if outcome.good:
        shutil.rmtree(folder)
    return outcome


def _wait_for_the_moment(run: Run, base: Base, chance: random.Random, state: str) -> str:
    """Some steps, and then some part of the next one."""
    most = {"everything": 14, "preparation": 13, "training": 8, "prediction": 5}[state]
    steps, rest = chance.randrange(-1, most), chance.uniform(0, 1.5) * base.pace
    while run.steps() < steps and run.process.poll() is None:
        time.sleep(0.05)
    time.sleep(rest)
    return f"{rest:.1f} s after step {max(steps, 0)}"


def _follow(base: Base, trial: Trial, outcome: Outcome) -> None:
    """Run again, as the lines on the screen advise, until the study is finished."""
    run, was_told = trial.run, False
    for number in range(2, MOST_RUNS + 2):
        code = run.wait()
        others = [(each.wait(), each.text()) for each in trial.others]
        text = run.text()
        if code is None or any(each is None for each, _ in others):
            outcome.result = "HANG"
            return
        said = [text, *(each for _, each in others)]
        outcome.of_snakemake = outcome.of_snakemake or any(_TRACEBACK in each for each in said)
        if any(map(_is_ours, said)):
            outcome.result = "TRACEBACK"
            outcome.lines += text.splitlines()[-30:]
            return
        lines = _lines(text)
        outcome.lines += lines
        if any(each and not _lines(said) for each, said in others):
            outcome.result = "NO LINE from the second run"
            return
        trial.others.clear()
        if code == 0:
            if _same(base, trial):
                _finish(trial, outcome, was_told)
                return
            lines = _verify(trial)
            if not lines:
                outcome.result = f"SILENTLY WRONG: {_differing(base, trial)}"
                return
            outcome.lines += lines
        elif trial.harmless:
            outcome.result = f"FAILED although nothing was wrong: {lines or text[-500:]}"
            return
        elif not lines and not trial.killed:
            outcome.result = f"NO LINE: {text[-1500:]}"
            return
        was_told = was_told or bool(lines)
        _do(base, trial, run, lines)
        trial.killed = trial.killed and number == 2  # the second run has no such excuse
        run.end() if not trial.killed else None
        trial.run = run = Run.start(trial.folder, trial.folder.with_name(f"run-{number}.txt"))
    run.end()
    outcome.result = f"NO WAY OUT in {MOST_RUNS} runs"


def _is_ours(text: str) -> bool:
    """Whether a traceback on the screen goes through code of this project."""
    blocks = text.split(_TRACEBACK)[1:]
    frames = (REPOSITORY / "dicegrad", ".snakemake/scripts")
    return any(
        f"{frame}" in block.split("RuleException")[0] for block in blocks for frame in frames
    )


def _lines(text: str) -> list[str]:
    """What a user has to read."""
    found = _ERROR.findall(text)
    found += [
        line.strip() for line in text.splitlines() if any(each in line for each in _OF_OTHERS)
    ]
    return list(dict.fromkeys(found))


def _same(base: Base, trial: Trial) -> bool:
    return result_hashes(trial.folder) == base.hashes


def _differing(base: Base, trial: Trial) -> list[str]:
    now = result_hashes(trial.folder)
    return [name for name in {**base.hashes, **now} if base.hashes.get(name) != now.get(name)]


def _finish(trial: Trial, outcome: Outcome, was_told: bool) -> None:
    left = [
        path.relative_to(trial.folder).as_posix()
        for pattern in ("**/.*.part.*", "**/.lock", "**/checkpoint.pt")
        for path in trial.folder.glob(pattern)
    ]
    outcome.result = TOLD if was_told else SAME
    if left:
        outcome.result = f"LEFT BEHIND: {', '.join(left)}"


def _verify(trial: Trial) -> list[str]:
    """What `dicegrad verify` says of a finished study that has changed."""
    command = [sys.executable, "-m", "dicegrad.cli", "verify", "results/tiny"]
    done = subprocess.run(
        command, cwd=trial.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [] if done.returncode == 0 else _lines(done.stderr)


def _do(base: Base, trial: Trial, run: Run, lines: list[str]) -> None:
    """Do what the lines advise."""
    trial.lift()
    for line in lines:
        if found := re.search(r"to the present: (find .*)", line):
            subprocess.run(found[1], shell=True, check=True, cwd=trial.folder)
        if "in use by" in line or _LOCKED in line:
            run.wait(everybody=True)
        named = line.partition(": ")[0]
        paths = re.findall(r"delete (\S+?)[;,]? ", line + " ")
        for word in [named if word in ("it", "the") else word for word in paths]:
            _remove(trial.folder / word)
        if line.endswith(": is missing") or "has changed since the study was finished" in line:
            _remove(trial.folder / named)
        if "data/" in line and "results/" not in named and "resources/" not in named:
            # Original files can only be put back.
            shutil.copytree(base.folder / "data", trial.folder / "data", dirs_exist_ok=True)
    if any(_LOCKED in line for line in lines):
        unlock = Run.start(trial.folder, trial.folder.with_name("unlock.txt"), "--unlock")
        unlock.wait()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

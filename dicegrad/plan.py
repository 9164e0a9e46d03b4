"""What a study would run next, and why, by experiment.

Read from `snakemake --summary`, the table that Snakemake itself makes of a plan: one line per
output file with the rule that makes it, its state, and whether it will be made again.
"""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dicegrad.errors import InputError
from dicegrad.logs import code_in
from dicegrad.provenance import DEAR, code_of
from dicegrad.study import Study

# Names the file in which the workflow writes what study it has read, if it is set.
ASKED = "DICEGRAD_STUDY_TOLD"

# The states of Snakemake, in the words of a user; `ok` files follow from what they read.
REASONS = {
    "missing": "not there yet",
    "params changed": "a setting or its code changed",
    "set of input files changed": "it reads other files",
    "updated input files": "what it reads is newer",
    "ok": "what it reads will change",
}


@dataclass
class Item:
    """An experiment, or a rule that serves all of them, and what would run of it.

    Attributes:
        name: The row as it stands in the experiment table, or the name of the rule.
        jobs: Rule and fold (and seed) of each job, in the order in which the study names them.
        states: What Snakemake says of their files.
    """

    name: str
    jobs: dict[tuple[str, str], None] = field(default_factory=dict)
    states: set[str] = field(default_factory=set)

    @property
    def reasons(self) -> list[str]:
        """Why they would run, most telling first."""
        known = [reason for state, reason in REASONS.items() if state in self.states]
        unknown = sorted(self.states - set(REASONS))
        told = [reason for reason in known if reason != REASONS["ok"]] + unknown
        return told or [REASONS["ok"]]

    def count(self, rule: str) -> int:
        """How many jobs of a rule would run."""
        return sum(name == rule for name, _ in self.jobs)


@dataclass(frozen=True)
class Plan:
    """What would run, and what stays although its code has changed.

    Attributes:
        experiments: In the order of their first file.
        rules: What serves all experiments.
        outdated: Rule -> how many of its jobs stay that other code has made.
    """

    experiments: list[Item]
    rules: list[Item]
    outdated: dict[str, int] = field(default_factory=dict)


def make_plan(options: Sequence[str], told: Path | None = None) -> Plan:
    """Ask Snakemake what it would run.

    Args:
        options: Of Snakemake, such as `--configfile config/acdc.yaml`.
        told: Where the workflow is to write what study the options name; see `study_told`.

    Raises:
        InputError: Snakemake refuses the study; its last line says why.
    """
    command = [sys.executable, "-m", "snakemake", "--summary", *options]
    environment = {**os.environ, **({ASKED: str(told)} if told else {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        text = done.stdout + done.stderr
        said = [line for line in text.splitlines() if line.strip() and "  File " not in line]
        raise InputError(_refusal(said[-1]) if said else "snakemake --summary failed")
    return read_summary(done.stdout.splitlines())


def _refusal(line: str) -> str:
    """Snakemake's last line, with the remedy where it has none."""
    if "No Snakefile found" in line:
        return "there is no Snakefile in this folder; name it: -s PATH/Snakefile -d ."
    return line


def study_told(told: Path) -> tuple[Study, Path]:
    """The study that the options of Snakemake name, and the folder that its paths begin in.

    Args:
        told: What the workflow wrote, see `make_plan`.
    """
    content = json.loads(told.read_text(encoding="utf-8"))
    folder = Path(content["folder"])
    with chdir(folder):
        places = (Path("config"), Path(content["home"]) / "config")
        return Study.read(content["config"], content["where"], places), folder


def read_summary(lines: Iterable[str]) -> Plan:
    """The plan in the output of `snakemake --summary`.

    >>> plan = read_summary([
    ...     "output_file\\trule\\tstatus\\tplan",
    ...     "results/demo/phi~I/epsilon~1e-7/fold~0/weights.pt\\ttrain\\tmissing\\tupdate pending",
    ...     "results/demo/comparisons.tsv\\tcompare\\tparams changed\\tupdate pending",
    ...     "resources/heart/images.npy\\tresample\\tok\\tno update",
    ... ])
    >>> [(item.name, item.count("train"), item.reasons) for item in plan.experiments]
    [('I 1e-7', 1, ['not there yet'])]
    >>> [(item.name, item.reasons) for item in plan.rules]
    [('compare', ['a setting or its code changed'])]
    """
    lines = iter(lines)
    header = next((line for line in lines if line.startswith("output_file\t")), None)
    if header is None:
        raise InputError("snakemake --summary printed no table; run it by hand to see why")
    experiments: dict[str, Item] = {}
    rules: dict[str, Item] = {}
    outdated: dict[str, set[str]] = {}
    for row in csv.DictReader(lines, header.split("\t"), delimiter="\t"):
        if row["plan"] != "update pending":
            if _is_outdated(row):
                outdated.setdefault(row["rule"], set()).add(row["log-file(s)"])
            continue
        values = [part.split("~", 1) for part in row["output_file"].split("/") if "~" in part]
        # What is not of the row, but of its training runs.
        runs = " ".join(value for key, value in values if key in ("seed", "fold"))
        row_words = [value for key, value in values if key not in ("seed", "fold")]
        name = " ".join(row_words) or row["rule"]
        item = (experiments if values else rules).setdefault(name, Item(name))
        item.jobs[row["rule"], runs] = None
        item.states.add(row["status"])
    counts = {rule: len(logs) for rule, logs in outdated.items()}
    return Plan(list(experiments.values()), list(rules.values()), counts)


def _is_outdated(row: dict[str, str]) -> bool:
    """Whether other code than today's has made a file of a stage that is expensive to run again."""
    log = row.get("log-file(s)") or ""
    if row["rule"] not in DEAR or not log:
        return False
    code = code_in(Path(log))
    return code is not None and code != code_of(DEAR[row["rule"]])


def as_plain(plan: Plan) -> dict[str, Any]:
    """The plan as plain values, ready for JSON: jobs by rule, and why, of each experiment.

    >>> item = Item("I 1e-7", {("train", "0"): None, ("train", "1"): None}, {"missing"})
    >>> as_plain(Plan([item], []))["experiments"]
    [{'name': 'I 1e-7', 'jobs': {'train': 2}, 'because': ['not there yet']}]
    """

    def plain(item: Item) -> dict[str, Any]:
        rules = dict.fromkeys(rule for rule, _ in item.jobs)
        jobs = {rule: item.count(rule) for rule in rules}
        return {"name": item.name, "jobs": jobs, "because": item.reasons}

    return {
        "experiments": [plain(item) for item in plan.experiments],
        "rules": [plain(item) for item in plan.rules],
        "outdated": dict(plan.outdated),
    }


def describe(plan: Plan) -> list[str]:
    """The plan as lines of text: a table of experiments, then the rest by reason."""
    columns = ("train", "predict", "evaluate")
    lines = []
    if not plan.experiments and not plan.rules:
        lines.append("Nothing to do: every result is up to date.")
    if plan.experiments:
        width = max(len("experiment"), *(len(item.name) for item in plan.experiments))
        lines.append(f"{'experiment':{width}}  {'  '.join(columns)}  because")
        for item in plan.experiments:
            counts = "  ".join(f"{item.count(rule) or '-':>{len(rule)}}" for rule in columns)
            lines.append(f"{item.name:{width}}  {counts}  {', '.join(item.reasons)}")
        total = "  ".join(
            f"{sum(item.count(rule) for item in plan.experiments):>{len(rule)}}" for rule in columns
        )
        lines += [f"{'in all':{width}}  {total}", ""]
    by_reason: dict[str, list[str]] = {}
    for item in plan.rules:
        by_reason.setdefault(", ".join(item.reasons), []).append(item.name)
    for reason, names in by_reason.items():
        lines.append(f"besides, because {reason}: {', '.join(names)}")
    for rule, count in plan.outdated.items():
        lines.append(
            f"{count} result{'s' * (count != 1)} of {rule} stay, although its code has changed "
            f"since; to make them again: snakemake --forcerun {rule} ..."
        )
    return lines

"""The same study on one machine and on a SLURM where everything goes wrong that can.

`make test-slurm` runs these tests, in order: each fixture is one run of the workflow.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.workflow.conftest import HEADER, NETWORK, REPOSITORY, Study, new_study

PROFILES = [
    *("--profile", str(REPOSITORY / "profiles" / "slurm")),
    *("--workflow-profile", str(REPOSITORY / "tests" / "slurm" / "profile")),
]
# More than two minutes of training on one core: SLURM ends a job of one minute only when it looks,
# which it does every half a minute.
TUMOR = {
    "phantom": {"kind": "tumor", "subjects": 4, "seed": 0},
    "preprocessing": {"spacing": [4, 4, 4], "size": [16, 16, 8]},
    "network": NETWORK,
    "training": {"epochs": 400, "passes": 20},
}
ROWS = (
    "heart\tfull\tdice\tI\t1e-7\t2\n"
    "heart\tpartial\tdice\tI\theuristic\t2\n"
    "tumor\tpartial\tdice\tBI\t1e-7\t2\n"
)
LONG = "results/tiny/dataset~tumor/labeling~partial/loss~dice/phi~BI/epsilon~1e-7/batch_size~2"


@dataclass(frozen=True)
class Job:
    """One line of `sacct`: a job, or one of the times that it was started."""

    number: str
    partition: str
    state: str
    resources: str
    comment: str


def accounted(since: float) -> list[Job]:
    """What accounting knows of the jobs of this test, each start a line of its own."""
    start = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since))
    fields = "JobIDRaw,Partition,State,AllocTRES,Comment"
    text = subprocess.check_output(
        ["sacct", "-D", "-X", "-P", "-n", "-S", start, "-o", fields], text=True
    )
    jobs = [Job(*line.split("|")) for line in text.splitlines()]
    return [job for job in jobs if job.comment.startswith("rule_")]


def left_over(folder: Path) -> list[str]:
    """Processes that still work in a folder."""
    commands = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                commands.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # ended meanwhile
            continue
    return commands


def wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)


def has_line(path: Path, pattern: str) -> bool:
    return path.exists() and re.search(pattern, path.read_text()) is not None


def submit(study: Study, *arguments: str) -> subprocess.Popen:
    """Snakemake on the cluster, in the background, its output in `snakemake.log`."""
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")),
        *("--directory", str(study.folder), "--configfile", str(study.config_file)),
        *(*PROFILES, *arguments),
    ]
    with (study.folder / "snakemake.log").open("a") as log:
        return subprocess.Popen(
            command,
            cwd=study.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # A child of a background job ignores SIGINT, and so would Snakemake.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


def make_study(folder: Path) -> Study:
    study = new_study(folder)
    datasets = {**study.config()["datasets"], "tumor": TUMOR}
    study.write_config(datasets=datasets, device="auto", outputs=["table1"])
    study.table.write_text(HEADER + ROWS)
    return study


@pytest.fixture(scope="session")
def local(tmp_path_factory) -> Study:
    """The study, run on this machine to its end."""
    study = make_study(tmp_path_factory.mktemp("local"))
    study.run()
    return study


@dataclass(frozen=True)
class Run:
    """A run on the cluster: what is left of it, and what accounting says."""

    study: Study
    status: int
    jobs: list[Job]
    processes: list[str]


@pytest.fixture(scope="session")
def run(slurm, tmp_path_factory) -> Iterator[Run]:
    """The study on the cluster; fold 0 of the long training is requeued in the middle."""
    study = make_study(tmp_path_factory.mktemp("cluster"))
    began = time.time()
    snakemake = submit(study)
    try:
        log = study.folder / LONG / "fold~0" / "train.log"
        wait(lambda: has_line(log, r"epoch 5/"), 200, "the long training has begun")
        requeue("train_wildcards_tumor_partial_dice_BI_1e-7_2_0")
        status = snakemake.wait(600)
    finally:
        snakemake.kill()
    yield Run(study, status, accounted(began), left_over(study.folder))
    shutil.copy(study.folder / "snakemake.log", os.environ["DICEGRAD_SLURM"])


def requeue(comment: str) -> None:
    """Send the running job of this comment back to the queue, as an administrator would."""
    lines = subprocess.check_output(["squeue", "-h", "-o", "%i %k"], text=True).splitlines()
    number = next(line.split()[0] for line in lines if line.endswith(comment))
    subprocess.check_call(["scontrol", "requeue", number])


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_run_ends_well_and_leaves_no_process(run):
    assert run.status == 0, (run.study.folder / "snakemake.log").read_text()[-5000:]
    assert run.processes == []


def test_tables_and_weights_have_the_bits_of_the_local_run(run, local):
    for name in ("scores.tsv", "table1.tsv", "comparisons.tsv", "epsilon.tsv"):
        assert digest(local.results / name) == digest(run.study.results / name), name
    weights = sorted(local.results.rglob("weights.pt"))
    assert len(weights) == 6
    for path in weights:
        there = run.study.folder / path.relative_to(local.folder)
        assert digest(path) == digest(there), there


def test_each_job_worth_a_cluster_is_in_accounting_and_no_other(run):
    completed = [job.comment for job in run.jobs if job.state == "COMPLETED"]
    assert sorted(completed) == [
        "rule_resample_wildcards_heart",
        "rule_resample_wildcards_tumor",
        *(["rule_score_evaluate_predict"] * 3),
        *(f"rule_train_wildcards_heart_full_dice_I_1e-7_2_{fold}" for fold in (0, 1)),
        *(f"rule_train_wildcards_heart_partial_dice_I_heuristic_2_{fold}" for fold in (0, 1)),
        *(f"rule_train_wildcards_tumor_partial_dice_BI_1e-7_2_{fold}" for fold in (0, 1)),
    ]


def test_gpu_jobs_alone_ran_where_the_gpus_are(run):
    started = [job for job in run.jobs if job.resources]
    for job in started:
        wants_gpu = not job.comment.startswith("rule_resample")
        assert job.partition == ("gpu" if wants_gpu else "cpu"), job
        assert ("gres/gpu=1" in job.resources) == wants_gpu, job


def test_a_training_was_requeued_and_one_ran_out_of_time(run):
    states = {(job.comment[-1], job.state) for job in run.jobs if "train" in job.comment}
    assert ("0", "REQUEUED") in states
    assert ("1", "TIMEOUT") in states
    for fold in (0, 1):
        log = run.study.folder / LONG / f"fold~{fold}" / "train.log"
        assert has_line(log, "resumes from"), log.read_text()


def test_going_from_one_machine_to_a_cluster_or_back_reruns_nothing(run, local):
    assert "Nothing to be done" in local.run("-n", *PROFILES)
    assert "Nothing to be done" in run.study.run("-n")


def test_an_interrupt_cancels_the_jobs_and_a_restart_goes_on(slurm, run, tmp_path):
    """A finished study of which one training is to be done again, and shorter."""
    folder = tmp_path / "copy"
    shutil.copytree(run.study.folder, folder, symlinks=True)
    study = Study(folder)
    datasets = study.config()["datasets"]
    datasets["tumor"]["training"]["epochs"] = 100
    study.write_config(datasets=datasets)
    began = time.time()
    target = f"{LONG}/fold~0/weights.pt"

    snakemake = submit(study, target)
    log = folder / LONG / "fold~0" / "train.log"
    wait(lambda: has_line(log, "epoch 5/100 "), 100, "the training has begun")
    snakemake.send_signal(signal.SIGINT)
    assert snakemake.wait(60) != 0
    wait(lambda: not subprocess.check_output(["squeue", "-h"]), 30, "the queue is empty")
    wait(lambda: not left_over(folder), 30, "no process is left")

    snakemake = submit(study, target)
    assert snakemake.wait(400) == 0
    assert has_line(log, "resumes from")
    assert has_line(log, "epoch 100/100 ")
    assert {job.comment for job in accounted(began)} == {
        "rule_train_wildcards_tumor_partial_dice_BI_1e-7_2_0"
    }

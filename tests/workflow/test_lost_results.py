"""What is lost, damaged or of the future is told in one line; the same command makes it again."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from dicegrad.training.checkpoint import state_hash
from tests.workflow.conftest import HEADER, REPOSITORY, Study, new_study

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("study")]
EXPERIMENT = "dataset~heart/labeling~partial/loss~dice/phi~I/epsilon~1e-7/batch_size~2"
DAY = 86400.0


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Study:
    """A finished study of one experiment, without figures. Only for copying."""
    study = new_study(tmp_path_factory.mktemp("small"))
    study.table.write_text(HEADER + "heart\tpartial\tdice\tI\t1e-7\t2\n")
    study.write_config(outputs=["roc"])
    study.run()
    return study


@pytest.fixture
def study(small, tmp_path) -> Study:
    shutil.copytree(small.folder, tmp_path / "copy", symlinks=True)
    return Study(tmp_path / "copy")


def command_of(study, *arguments):
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--directory", str(study.folder), "--configfile", str(study.config_file)]
    return [*command, "--cores", "2", *arguments]


def start(study, *arguments):
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        command_of(study, *arguments), cwd=study.folder, start_new_session=True, text=True, **pipes
    )


def trainings(child):
    """The processes that train below a snakemake."""
    try:
        every = psutil.Process(child.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    found = []
    for process in every:
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if any(word.endswith("train.py") for word in words) and "snakemake" not in words:
            found.append(process)
    return found


def one_error(text):
    """The one line that a user has to read."""
    lines = {line.strip() for line in text.splitlines() if line.strip().startswith("error: ")}
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines.pop()


def hashes(study):
    return [state_hash(path) for path in sorted(study.results.rglob("weights.pt"))]


def in_future(path, stamp=None):
    os.utime(stamp or path, (time.time() + DAY,) * 2)


def test_a_rerun_that_was_killed_is_not_forgotten(study):
    old = (study.results / "scores.tsv").read_bytes()
    study.set("training", {"epochs": 3, "passes": 1})
    child, killed = start(study), set()
    while child.poll() is None:
        for process in trainings(child):
            process.send_signal(signal.SIGKILL)
            killed.add(process.pid)
        time.sleep(0.02)
    child.communicate()
    assert killed
    assert child.returncode != 0
    assert not list(study.results.rglob("weights.pt"))  # Snakemake has removed them
    assert (study.results / "scores.tsv").read_bytes() == old
    plan = study.plan()
    assert (plan["train"], plan["predict"], plan["evaluate"]) == (2, 2, 1)


def test_every_file_that_a_study_is_made_of_is_made_again_when_it_is_lost(study):
    fold = study.results / EXPERIMENT / "fold~0"
    prepared = study.folder / "resources" / "heart"
    assert study.plan() == {}
    for path, rule in (
        (fold / "weights.pt", "train"),
        (fold / "predictions", "predict"),
        (study.results / EXPERIMENT / "scores.tsv", "evaluate"),
        (study.results / "study" / "config.yaml", "settings"),
        (prepared / "images.npy", "resample"),
        (prepared / "labels" / "partial.npy", "label"),
    ):
        kept = path.with_name("kept")
        path.rename(kept)
        assert rule in study.plan(), path
        kept.rename(path)


def test_damage_is_told_by_the_job_that_reads_it(study):
    folds = [study.results / EXPERIMENT / f"fold~{number}" for number in (0, 1)]
    weights, label_map = folds[0] / "weights.pt", next((folds[1] / "predictions").glob("*.nii.gz"))
    for path, change in (
        (weights, lambda content: content[:3000] + bytes([content[3000] ^ 1]) + content[3001:]),
        (label_map, lambda content: content[: len(content) // 2]),
    ):
        status = path.stat()
        path.write_bytes(change(path.read_bytes()))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    shutil.rmtree(folds[0] / "predictions")
    failed = study.snakemake(f"results/tiny/{EXPERIMENT}/fold~0/predictions")
    assert failed.returncode != 0
    assert f"{EXPERIMENT}/fold~0/weights.pt: has changed since it was wri" in one_error(
        failed.stderr
    )

    weights.unlink()  # the remedy that the line names
    failed = study.snakemake()
    assert failed.returncode != 0
    assert f"delete results/tiny/{EXPERIMENT}/fold~1/predictions to make" in one_error(
        failed.stderr
    )
    shutil.rmtree(folds[1] / "predictions")
    study.run()
    assert study.plan() == {}


def test_inputs_of_the_future_are_told_before_an_hour_of_training(small, study):
    expected = hashes(small)
    (study.results / EXPERIMENT / "fold~0" / "weights.pt").unlink()
    in_future(study.folder / "resources" / "heart" / "images.npy")
    failed = study.snakemake()
    assert failed.returncode != 0
    line = one_error(failed.stderr)
    assert "resources/heart/images.npy: is dated 2" in line
    remedy = line.rpartition("to the present: ")[2]
    assert shlex.split(remedy)[0] == "find"
    subprocess.run(remedy, shell=True, check=True, cwd=study.folder)
    study.run()
    assert hashes(study) == expected
    assert study.plan() == {}


def test_a_clock_that_goes_back_while_a_network_trains_costs_no_training(small, study):
    target = f"results/tiny/{EXPERIMENT}/fold~0/weights.pt"
    images = study.folder / "resources" / "heart" / "images.npy"
    (study.folder / target).unlink()
    child = start(study, target)
    log = study.results / EXPERIMENT / "fold~0" / "train.log"
    log.unlink()
    while "on cpu" not in (log.read_text() if log.exists() else ""):
        assert child.poll() is None
        time.sleep(0.01)
    in_future(images)  # as if the clock went back by a day
    _, error = child.communicate()
    assert child.returncode != 0
    assert "has older modification time" in error  # Snakemake's own line
    assert not (study.folder / target).exists()

    os.utime(images, (time.time() - DAY,) * 2)
    study.run(target)
    assert "checkpoint.pt at its end" in log.read_text()
    assert hashes(study) == hashes(small)
    study.run()  # the weights have the same bits, so that nothing need be predicted again
    assert hashes(study) == hashes(small)


def test_an_orphan_and_the_next_run_do_not_train_in_one_folder(study):
    target = f"results/tiny/{EXPERIMENT}/fold~0/weights.pt"
    study.set("training", {"epochs": 100_000, "passes": 1, "stop_patience": 0})
    history = study.results / EXPERIMENT / "fold~0" / "history.tsv"
    for path in (study.folder / target, history):
        path.unlink()
    child, orphan = start(study, target), None
    try:
        while not history.exists():
            assert child.poll() is None
            time.sleep(0.05)
        orphan = trainings(child)[0]
        child.kill()
        child.wait()  # not for the end of its output, which the orphan holds open
        assert orphan.is_running()
        study.run("--unlock")
        failed = study.snakemake(target, "--rerun-incomplete")
        assert failed.returncode != 0
        line = one_error(failed.stderr)
        assert f"fold~0: is in use by process {orphan.pid} on " in line
    finally:
        if orphan is not None:
            orphan.kill()

"""A training that dies under the workflow goes on when the same command comes again."""

import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch

from dicegrad.training.checkpoint import state_hash
from tests.workflow.conftest import HEADER, REPOSITORY, Study, new_study

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("study")]
FOLD = (
    "results/tiny/dataset~heart/labeling~partial/loss~dice/phi~I/epsilon~1e-7/batch_size~2/fold~0"
)
TRAINING = {"epochs": 50, "passes": 2, "checkpoint_minutes": 0, "keep_every": 3}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Study:
    """A study of one training, which was not disturbed."""
    study = new_study(tmp_path_factory.mktemp("whole"))
    study.table.write_text(HEADER + "heart\tpartial\tdice\tI\t1e-7\t2\n")
    study.set("training", TRAINING)
    study.run(f"{FOLD}/weights.pt")
    return study


def fingerprint(study):
    fold = study.folder / FOLD
    return state_hash(fold / "weights.pt"), (fold / "history.tsv").read_text()


def start(study):
    """Snakemake as somebody at a terminal starts it, once the training in it has checkpoints."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--directory", str(study.folder), "--configfile", str(study.config_file)]
    command += ["--cores", "2", f"{FOLD}/weights.pt"]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    child = subprocess.Popen(
        command, cwd=study.folder, start_new_session=True, preexec_fn=_hear_interrupts, **pipes
    )
    history = study.folder / FOLD / "history.tsv"
    while not history.exists():
        assert child.poll() is None, "the training ended before it was killed"
        time.sleep(0.05)
    return child


def _hear_interrupts():
    """As at a terminal; what a shell starts in the background ignores Ctrl-C, children too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def script_of(child):
    """The process of the training."""
    found = [
        process
        for process in psutil.Process(child.pid).children(recursive=True)
        if any(word.endswith("train.py") for word in process.cmdline())
        and "snakemake" not in process.cmdline()
    ]
    return found[0].pid


def to_all(child, number):
    os.killpg(child.pid, number)


def to_snakemake_alone(child, number):
    os.kill(child.pid, number)


def to_training(child, number):
    os.kill(script_of(child), number)


@pytest.mark.parametrize(
    ("send", "number"),
    [
        pytest.param(to_all, signal.SIGINT, id="ctrl-c"),
        pytest.param(to_snakemake_alone, signal.SIGINT, id="interrupt-snakemake-alone"),
        pytest.param(to_training, signal.SIGTERM, id="terminate"),
        pytest.param(to_training, signal.SIGKILL, id="kill"),
        pytest.param(to_all, signal.SIGKILL, id="kill-all"),
    ],
)
def test_the_same_command_goes_on_from_the_checkpoint(whole, tmp_path, send, number):
    study = Study(tmp_path / "cut")
    shutil.copytree(whole.folder, study.folder, symlinks=True)
    shutil.rmtree(study.folder / "results")
    child = start(study)
    send(child, number)
    assert child.wait() != 0
    assert (study.folder / FOLD / "checkpoint.pt").exists()
    assert not (study.folder / FOLD / "weights.pt").exists()

    if number == signal.SIGKILL and send is to_all:
        study.run("--unlock")
    study.run(f"{FOLD}/weights.pt")
    assert "resumes from" in (study.folder / FOLD / "train.log").read_text()
    assert fingerprint(study) == fingerprint(whole)
    # It is kept until the prediction shows that Snakemake has accepted the weights.
    assert (study.folder / FOLD / "checkpoint.pt").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_what_a_gpu_has_trained_is_not_thrown_away_where_none_is_found(whole, tmp_path):
    study = Study(tmp_path / "cut")
    shutil.copytree(whole.folder, study.folder, symlinks=True)
    shutil.rmtree(study.folder / "results")
    child = start(study)
    to_training(child, signal.SIGTERM)
    assert child.wait() != 0
    checkpoint = study.folder / FOLD / "checkpoint.pt"
    state = torch.load(checkpoint, weights_only=True)
    state["configuration"]["training.precision"] = "bfloat16"  # as on a GPU
    torch.save(state, checkpoint)

    failed = study.snakemake(f"{FOLD}/weights.pt", "--set-resources", "train:gpu=1")
    assert failed.returncode != 0
    assert "training.precision was 'bfloat16' and is now 'float32'" in failed.stderr
    assert checkpoint.exists()
    study.run(f"{FOLD}/weights.pt")
    assert "training starts from scratch" in (study.folder / FOLD / "train.log").read_text()

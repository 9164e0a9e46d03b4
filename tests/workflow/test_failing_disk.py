"""A disk that answers with input and output errors: one line that names the file, nothing half."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.workflow.conftest import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("study")]
ROW = "results/tiny/dataset~heart/labeling~full/loss~dice/phi~I/epsilon~1e-7/batch_size~2"
FOLD = f"{ROW}/fold~0"
WEIGHTS = f"{FOLD}/weights.pt"
IMAGE = "data/phantoms/heart/training/patient001/patient001_frame01.nii.gz"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """`failing_disk.c`, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("it takes Linux and a C compiler")
    library = tmp_path_factory.mktemp("disk") / "failing_disk.so"
    source = REPOSITORY / "tests" / "failing_disk.c"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library


def run(study, library, what, part, target):
    """Snakemake and its jobs, where all files whose path holds `part` fail."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--configfile", "config.yaml", "--cores", "2", target]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "LD_PRELOAD": str(library)}
    return subprocess.run(
        command,
        cwd=study.folder,
        env={**environment, what: part},
        capture_output=True,
        text=True,
        check=False,
    )


ERROR = "Input/output error"
READ, WRITTEN = f"cannot be read ({ERROR})", f"could not be written ([Errno 5] {ERROR})"


@pytest.mark.parametrize(
    ("what", "part", "target", "said"),
    [
        pytest.param(
            "EIO_READ", IMAGE, "resources/heart/cases.tsv", f"{IMAGE}: {READ}; fetch",
            id="an image that is looked for",
        ),
        pytest.param(
            "EIO_READ", IMAGE, "resources/heart/images.npy", f"{IMAGE}: {READ}; fetch",
            id="an image that is prepared",
        ),
        pytest.param(
            "EIO_READ", "heart/images.npy", WEIGHTS, f"resources/heart/images.npy: {READ}; delete",
            id="prepared images",
        ),
        pytest.param(
            "EIO_READ", ".images.npy.sum", WEIGHTS,
            "resources/heart/images.npy: cannot be compared with .images.npy.sum beside it, which",
            id="their checksum",
        ),
        pytest.param(
            "EIO_READ", WEIGHTS, f"{FOLD}/predictions", f"{WEIGHTS}: {READ}; delete", id="weights",
        ),
        pytest.param(
            "EIO_SYNC", ".part.weights.pt", WEIGHTS, f"{WEIGHTS}: {WRITTEN}; check that disk",
            id="weights that are written, and told at the end",
        ),
        pytest.param(
            "EIO_WRITE", ".part.scores.tsv", f"{ROW}/scores.tsv",
            f"{ROW}/scores.tsv: {WRITTEN}; check that disk",
            id="a table that is written",
        ),
        pytest.param(
            "EIO_WRITE", ".snakemake/metadata", f"{ROW}/scores.tsv",
            f"/.snakemake: {ERROR}; check that disk, and start the same command",
            id="the notes of Snakemake",
        ),
    ],
)  # fmt: skip
def test_the_file_is_named_and_the_same_command_goes_on(rerun, library, what, part, target, said):
    path = rerun.folder / target
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = run(rerun, library, what, part, target)
    assert done.returncode != 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    lines = [each for each in done.stderr.splitlines() if each.startswith("error: ")]
    assert any(said in each for each in lines), done.stderr
    assert not list(rerun.folder.rglob(".*.part.*"))
    rerun.run(target)

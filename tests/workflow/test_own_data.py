"""The commands of docs/own-data.md, in their order, on a tiny folder of a user's own."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from dicegrad.files import read_table
from dicegrad.reporting.tables import TABLE1
from tests.decathlon import write_decathlon
from tests.workflow.conftest import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("study")]
PAGE = REPOSITORY / "docs" / "own-data.md"
# Two epochs: that the training is long enough for its time is not what is tested here.
SHORT = ["--config", "datasets={mine: {training: {epochs: 2}}}"]


def commands():
    """The commands of the page's first block."""
    block = re.search(r"^```\n(dicegrad init.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for line in block[1].splitlines()]


def run(words, folder):
    """Run a command as a shell would, with the modules of this environment."""
    modules = {"dicegrad": "dicegrad.cli", "snakemake": "snakemake"}
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-m", modules[words[0]], *words[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def followed(tmp_path, **options):
    """The folder in which the page was followed, and what the last command said."""
    init, snakemake, summary = commands()
    write_decathlon(tmp_path / init[2], count=10, **options)
    printed = shlex.split(run(init, tmp_path).splitlines()[-1])
    assert printed[: len(snakemake)] == [*snakemake[:2], printed[2], *snakemake[3:]]
    run([*printed, *SHORT], tmp_path)
    return tmp_path, run(summary, tmp_path)


def test_a_folder_becomes_a_table_in_three_commands(tmp_path):
    folder, said = followed(tmp_path)
    table = read_table(folder / "results" / "mine" / "table1.tsv", TABLE1)
    assert set(table["labeling"]) == {"full"}
    assert "mine" in said


def test_so_does_a_folder_whose_labels_have_gaps(tmp_path):
    gaps = dict.fromkeys(range(5), "ball")
    folder, _ = followed(tmp_path, annotated=gaps)
    table = read_table(folder / "results" / "mine" / "table1.tsv", TABLE1)
    assert set(table["labeling"]) == {"as-annotated", "hidden"}
    folds = (folder / "resources" / "mine" / "folds.tsv").read_text().splitlines()[1:]
    held_out = [line.split("\t")[0] for line in folds if line.endswith("\t0")]
    assert sum(int(name[-3:]) < 5 for name in held_out) == 1  # one of each kind

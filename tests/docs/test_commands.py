"""Every command that a reader is told to type runs, or it is said what it needs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.decathlon import write_decathlon
from tests.docs.documented import MAKE, NOT_RUN, QUICK, SLOW
from tests.docs.fenced import REPOSITORY, commands, documented

PARTS = ("Snakefile", "config", "rules", "scripts", "report", "profiles", "dicegrad", "envs")
NETWORK = {"encoder": [[4], [8]], "decoder": [[4]], "pools": [[2, 2, 1]]}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A copy of what a reader has, whose phantoms are few and whose training runs are short."""
    folder = tmp_path_factory.mktemp("workspace") / "dicegrad"
    folder.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        source = REPOSITORY / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / part, **({"ignore": unwanted} if source.is_dir() else {}))
    for path in (folder / "config" / "datasets").glob("*.yaml"):
        shorten(path)
    for path in (folder / "config" / "experiments").glob("*.tsv"):
        path.write_text(two_rows(path.read_text()))
    for path in (folder / "config").glob("*.yaml"):
        short = {"folds": [0], "datasets": {}}  # the settings of the shortened dataset files
        settings = {"outputs": ["table1"]} | yaml.safe_load(path.read_text()) | short
        path.write_text(yaml.safe_dump(settings, sort_keys=False))
    write_decathlon(folder / "Task04_Hippocampus")
    (folder / "elsewhere").mkdir()
    return folder


def shorten(path):
    """One epoch of a small network, and a quarter of the phantoms."""
    settings = yaml.safe_load(path.read_text())
    settings["training"] |= {"epochs": 1, "passes": 1}
    settings["network"] |= NETWORK
    if "phantom" in settings:
        settings["phantom"]["subjects"] = 12
    path.write_text(yaml.safe_dump(settings, sort_keys=False))


def two_rows(table):
    """The header, and the last dataset's first row of full and of partial labels."""
    header, *rows = table.splitlines(keepends=True)
    last = rows[-1].split("\t")[0]
    first = {}
    for row in rows:
        dataset, labeling = row.split("\t")[:2]
        if dataset == last:
            first.setdefault(labeling, row)
    return header + "".join(list(first.values())[:2])


def run(command, folder):
    """What a reader types, in a shell."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["bash", "-c", command.replace("PATH/", f"{folder}/")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_documented_command_is_run_or_says_what_it_needs():
    known = set(QUICK) | set(SLOW) | set(NOT_RUN)
    found = documented()
    assert {each: found[each] for each in found if each not in known} == {}


def test_no_command_is_listed_that_is_not_documented():
    assert (set(QUICK) | set(SLOW) | set(NOT_RUN)) - documented().keys() == set()


def test_a_command_is_found_in_each_way_that_it_may_be_written():
    page = """
```bash
one --option   # what it does
two \\
    --long
```

```
make demo    # a block without a language
case\tannotated
```

  ```
  snakemake --cores 1
  ```

```python
import three
```
"""
    found = ["one --option", "two --long", "make demo", "snakemake --cores 1"]
    assert list(commands(page)) == found


def test_make_knows_every_target_that_is_documented():
    for command in MAKE:
        target = re.match(r"make ([a-z-]+)", command)[1]
        done = subprocess.run(
            ["make", "-n", target], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", QUICK)
def test_a_quick_command_runs(command, workspace):
    done = run(command, workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


@pytest.mark.slow
def test_the_other_commands_run_in_their_order(workspace):
    for command in SLOW:
        done = run(command, workspace)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        if command.startswith("dicegrad init"):
            shorten(workspace / "config" / "datasets" / "mine.yaml")
    assert (workspace / "elsewhere" / "results" / "demo" / "table1.md").exists()
    assert (workspace / "results" / "demo" / "report.html").exists()
    assert (workspace / "results" / "mine" / "scores.tsv").exists()

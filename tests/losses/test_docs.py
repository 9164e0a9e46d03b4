"""The numbers in docs/ are those that their scripts measure."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def read(table):
    return dict(line.rsplit("\t", 1) for line in table.read_text().splitlines()[1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["theory", "cross_entropy"])
def test_the_script_measures_what_the_docs_say(name, tmp_path):
    pytest.importorskip("matplotlib")
    script = shutil.copy(DOCS / f"make_{name}_figures.py", tmp_path)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, script], check=True, env=environment)
    found = read(tmp_path / "figures" / f"{name}.tsv")
    kept = read(DOCS / "figures" / f"{name}.tsv")
    assert found.keys() == kept.keys()
    for key, value in kept.items():
        assert float(found[key]) == pytest.approx(float(value), rel=0.02, abs=1e-12), key
    assert {f.name for f in (tmp_path / "figures").glob("*.png")} <= {
        f.name for f in (DOCS / "figures").glob("*.png")
    }

"""The tutorial runs from top to bottom, and shows what it says."""

import os
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
NOTEBOOK = REPOSITORY / "docs" / "tutorials" / "first-study.ipynb"


def texts(notebook):
    """What the cells printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    import nbformat

    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    notebook = nbformat.read(NOTEBOOK, 4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=None, resources=resources).execute()
    said = texts(notebook)
    assert "learnt as empty" in said
    assert "error" not in said.lower()
    assert (tmp_path / "results" / "first" / "SHA256SUMS").exists()


def test_the_notebook_holds_outputs_that_are_small_and_name_no_machine():
    nbformat = pytest.importorskip("nbformat")
    assert NOTEBOOK.stat().st_size < 200_000
    notebook = nbformat.read(NOTEBOOK, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in code if cell.source.startswith("!dicegrad"))
    assert not re.search(r"/(home|root|tmp|work|Users)/|\x1b", texts(notebook))
    assert "Traceback" not in texts(notebook)

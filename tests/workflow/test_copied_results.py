"""Results that were copied without the notes of Snakemake are not taken for those of a change."""

import shutil

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("study")]


def test_a_change_is_run_again_where_the_results_were_made_and_refused_elsewhere(rerun):
    rerun.set("training", {"epochs": 3, "passes": 1})
    assert rerun.plan()["train"] > 0

    shutil.rmtree(rerun.folder / ".snakemake")
    done = rerun.snakemake("-n")
    assert done.returncode != 0
    said = done.stdout + done.stderr  # a dry run says it on standard output
    assert "Traceback" not in said
    line = next(each for each in said.splitlines() if each.startswith("results/"))
    assert "was not made in this folder, and with other settings: training.epochs was 2" in line
    assert "set it back, or move results/tiny away to make it here" in line

    rerun.set("training", {"epochs": 2, "passes": 1})
    assert rerun.plan() == {}

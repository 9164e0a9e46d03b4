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


def test_folds_labels_and_epsilons_without_results_are_refused_under_other_settings(rerun):
    for name in (".snakemake", "results"):
        shutil.rmtree(rerun.folder / name)
    assert "folds" not in rerun.plan()
    before = rerun.config()["datasets"]["heart"].get("folds", {"count": 2, "method": "modulo"})
    for key, changed, line in (
        (
            "folds",
            {**before, "seed": 9},
            "resources/heart/folds.tsv: was not made in this folder",
        ),
        (
            "sampling",
            {"partial": {"ES": 7}},
            "resources/heart/epsilon/partial.tsv: was not made",
        ),
    ):
        config = rerun.config_file.read_text()
        rerun.set(key, changed)
        done = rerun.snakemake("-n")
        assert done.returncode != 0
        assert f"\n{line}" in done.stdout + done.stderr, done.stdout + done.stderr
        rerun.config_file.write_text(config)

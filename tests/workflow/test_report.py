"""The finished study as its reader meets it."""

import shutil
import subprocess

import pandas as pd
import pytest

pytestmark = pytest.mark.xdist_group("study")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    finished.run("--report", str(path))
    return path


def test_a_finished_study_leaves_tables_figures_and_a_summary(finished):
    expected = {f"table1.{kind}" for kind in ("tsv", "md", "html", "tex")}
    expected |= {"scores.tsv", "epsilon.tsv", "comparisons.tsv", "roc.tsv", "summary.txt"}
    assert expected <= {path.name for path in finished.results.iterdir()}
    figures = {path.stem for path in (finished.results / "figures").glob("*.png")}
    assert {"finding", "roc", "distributions", "volumes", "examples_heart"} <= figures
    assert figures == {path.stem for path in (finished.results / "figures").glob("*.svg")}


def test_every_case_and_class_is_scored_once_per_experiment(finished):
    scores = pd.read_csv(finished.results / "scores.tsv", sep="\t", dtype=str)
    experiment = ["dataset", "labeling", "loss", "phi", "epsilon", "batch_size"]
    assert not scores.duplicated([*experiment, "case", "class"]).any()
    assert len(scores) == 3 * 8 * 3  # experiments, cases of 4 hearts, classes


def test_epsilon_is_the_mean_volume_of_the_training_cases(finished):
    """By hand: two folds by the rest of the division by two, ES emptied, no oversampling."""
    volumes = pd.read_csv(finished.folder / "resources/heart/volumes/partial.tsv", sep="\t")
    patients = (
        volumes["case"].str.extract(r"patient(\d+)_(\w+)").set_axis(["number", "phase"], axis=1)
    )
    assert (volumes["MYO"][patients["phase"] == "ES"] == 0).all()
    table = pd.read_csv(finished.results / "epsilon.tsv", sep="\t")
    for fold in (0, 1):
        train = (patients["number"].astype(int) - 1) % 2 != fold
        row = table.query(f"labeling == 'partial' and fold == {fold} and `class` == 'MYO'")
        assert row["epsilon"].item() == pytest.approx(volumes["MYO"][train].mean(), abs=1e-3)


def test_the_report_holds_every_figure_and_needs_no_network(report):
    text = report.read_text()
    for name in (
        "finding.png",
        "roc.png",
        "distributions.png",
        "learning_curves.png",
        "table1.html",
    ):
        assert name in text
    assert "This report shows what the Dice loss does" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_report_without_an_error(report, tmp_path):
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    flags += [
        "--virtual-time-budget=5000",
        "--enable-logging=stderr",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    done = subprocess.run(
        [CHROMIUM, *flags, f"--user-data-dir={tmp_path}", "--dump-dom", report.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "1. The finding" in done.stdout
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if "Uncaught" in line or "ERR_" in line]

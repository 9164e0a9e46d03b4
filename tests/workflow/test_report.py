"""The finished study as its reader meets it."""

import pandas as pd
import pytest

from tests.workflow.browser import CHROMIUM, Browser

pytestmark = pytest.mark.xdist_group("study")


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    finished.run("--report", str(path))
    return path


def test_a_finished_study_leaves_tables_figures_and_a_summary(finished):
    expected = {f"table1.{kind}" for kind in ("tsv", "md", "html", "tex", "xlsx")}
    expected |= {"scores.tsv", "epsilon.tsv", "comparisons.tsv", "roc.tsv", "summary.txt"}
    expected |= {"transition.tsv", "versions.tsv"}
    assert expected <= {path.name for path in finished.results.iterdir()}
    figures = {path.stem for path in (finished.results / "figures").glob("*.png")}
    assert {"finding", "transition", "roc", "distributions", "volumes"} <= figures
    assert "examples_heart" in figures
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
        "finding.svg",
        "roc.svg",
        "distributions.svg",
        "learning_curves.svg",
        "table1.html",
    ):
        assert name in text
    assert "This report shows what the Dice loss does" in text


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    """The report in a browser without network, at its first page."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.open(report.as_uri())
        browser.wait("document.querySelectorAll('nav a').length > 5")
        yield browser


LINKS = "[...document.querySelectorAll('nav a')]"
EYES = "[...document.querySelectorAll('nav a[iconname=eye]')]"
SHOWN = "document.querySelector('nav').nextElementSibling"
# A picture that is drawn, or a page with a table that has a row.
VISIBLE = f"""(async () => {{
    const image = {SHOWN}.querySelector('img'), frame = {SHOWN}.querySelector('iframe');
    if (image) return image.complete && image.naturalWidth > 300 && image.clientHeight > 100;
    if (!frame || frame.clientHeight < 100) return false;
    const text = await (await fetch(frame.src)).text();
    return new DOMParser().parseFromString(text, 'text/html').querySelectorAll('tbody tr').length;
}})()"""


def follow(page, text, arrived):
    """Click a link of the menu, from the first page, until it has led there."""
    page.run(f"{LINKS}[1].click()")
    page.wait(f"{LINKS}.some(a => a.innerText.trim() === 'Workflow')")
    # The first page may not have settled yet, and lose a click.
    click = f"{LINKS}.find(a => a.innerText.trim() === {text!r})?.click()"
    page.wait(f"({arrived}) || ({click}, false)")


def menu(page):
    page.run(f"{LINKS}[1].click()")
    page.wait(f"{LINKS}.some(a => a.innerText.trim() === 'Workflow')")
    return [text for text in page.run(f"{LINKS}.map(a => a.innerText.trim())") if text]


def test_the_first_page_shows_the_finding(page):
    assert page.run("document.querySelector('#first-figure svg').clientWidth") > 300
    assert "System Message" not in page.run("document.body.innerText")


def test_every_result_can_be_seen_and_is_explained(page):
    """Each eye shows a figure or a table, each i its caption, and nothing is complained about."""
    seen = {}
    for category in [text for text in menu(page) if text[0].isdigit()]:
        follow(page, category, f"{EYES}.length")
        for number in range(page.run(f"{EYES}.length")):
            name = page.run(f"{EYES}[{number}].closest('tr').querySelector('td').innerText")
            page.run(f"{EYES}[{number}].click()")
            page.wait(VISIBLE)
            seen[name] = category
    assert {"At a glance", "Table 1", "ROC", "Examples", "Rules for empty maps"} <= set(seen)
    assert next(iter(seen)) == "At a glance"
    for category in dict.fromkeys(seen.values()):
        follow(page, category, f"{EYES}.length")
        page.run("document.querySelector('nav a[iconname=information-circle]').click()")
        page.wait("document.body.innerText.toUpperCase().includes('DESCRIPTION')")
    assert page.errors == []


def test_every_link_of_the_first_page_leads_somewhere(page):
    before = page.run("document.body.innerText")
    for text in menu(page):
        follow(page, text, f"document.body.innerText !== {before!r}")
    hrefs = page.run("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert all(href is None or href.startswith(("#", "data:")) for href in hrefs)
    assert page.errors == []

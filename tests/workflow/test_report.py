"""The finished study as its reader meets it."""

import re

import pandas as pd
import pytest

from dicegrad.reporting.summary import verdict_of

pytestmark = pytest.mark.xdist_group("study")


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    finished.run("--report", str(path))
    return path


def test_a_finished_study_leaves_tables_figures_and_a_summary(finished):
    expected = {f"table1.{kind}" for kind in ("tsv", "md", "html", "tex", "xlsx")}
    expected |= {"scores.tsv", "epsilon.tsv", "comparisons.tsv", "roc.tsv", "summary.txt"}
    expected |= {"apart.tsv", "failed.tsv", "versions.tsv"}
    assert expected <= {path.name for path in finished.results.iterdir()}
    figures = {path.stem for path in (finished.results / "figures").glob("*.png")}
    assert {"finding", "roc", "distributions", "volumes"} <= figures
    assert "examples_heart" in figures
    assert figures == {path.stem for path in (finished.results / "figures").glob("*.svg")}


def test_the_study_says_what_it_trains_on_and_for_how_long_before_it_trains(finished):
    log = (finished.folder / "logs/tiny/checked.log").read_text()
    assert re.search(r"heart: 8 cases of .* mm; a grid of 16 x 16 x 6 voxels of 6 x 6 x 10 mm", log)
    assert re.search(r"labeling +fold +training +validation +held out +LV +MYO +RV\n", log)
    assert re.search(r"partial +1 +4 +- +4 +4/0/0 +2/0/2 +4/0/0\n", log)
    assert re.search(r"6 training runs of about .* second.*, 2 at a time: about .* second", log)


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
def errors():
    """What the browser's console showed in red, and what could not be loaded."""
    return []


@pytest.fixture(scope="module")
def page(report, browser, errors):
    """The report in a browser without network, at its first page."""
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.context.set_offline(True)
    page.set_default_timeout(120_000)  # a busy machine is no reason to fail
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.on("requestfailed", lambda request: errors.append(f"not loaded: {request.url}"))
    page.goto(report.as_uri())
    page.locator("nav a", has_text="Workflow").wait_for()
    return page


def go_home(page):
    page.locator("nav a").nth(1).click()
    page.locator("nav a", has_text="Workflow").wait_for()


def menu(page):
    """The links of the first page's menu."""
    go_home(page)
    return [text.strip() for text in page.locator("nav a").all_inner_texts() if text.strip()]


def follow(page, text):
    """Click a link of the first page's menu."""
    go_home(page)
    page.locator("nav a").get_by_text(text, exact=True).click()


def shows_something(page):
    """Whether the main part shows a picture that is drawn, or a page whose table has a row."""
    shown = page.locator("nav + *")
    result = shown.locator("img, iframe").first
    result.wait_for()
    if result.evaluate("element => element.tagName") == "IFRAME":
        rows = shown.frame_locator("iframe").locator("tbody tr")
        rows.first.wait_for()
        return rows.count() > 0
    result.evaluate("image => image.decode()")  # waits; an error if it cannot be drawn
    return result.evaluate("image => image.naturalWidth > 300 && image.clientHeight > 100")


def test_the_first_page_begins_with_the_verdict_of_the_summary(page, finished):
    sentences = verdict_of((finished.results / "summary.txt").read_text())
    shown = page.locator("#verdict strong")
    assert shown.all_inner_texts() == sentences
    figure = page.locator("#first-figure").bounding_box()
    assert 0 < shown.first.bounding_box()["y"] < figure["y"]
    lines = page.locator("#verdict pre")
    assert not lines.is_visible()
    page.locator("#verdict summary").click()
    assert "heart: MYO is missing in ES\n  full labels: DSC" in lines.inner_text()


def test_the_first_page_shows_the_finding(page):
    assert page.locator("#first-figure svg").bounding_box()["width"] > 300
    assert "System Message" not in page.inner_text("body")


def test_every_result_can_be_seen_and_is_explained(page, errors):
    """Each eye shows a figure or a table, each i its caption, and nothing is complained about."""
    seen = {}
    eyes, infos = (
        page.locator(f"nav a[iconname={icon}]") for icon in ("eye", "information-circle")
    )
    for category in [text for text in menu(page) if text[0].isdigit()]:
        follow(page, category)
        eyes.first.wait_for()
        for number in range(eyes.count()):
            row = eyes.nth(number).locator("xpath=ancestor::tr")
            name = row.locator("td").first.inner_text()
            eyes.nth(number).click()
            assert shows_something(page), name
            seen[name] = category
        infos.first.click()
        page.get_by_text("description").first.wait_for()
    assert {"At a glance", "Table 1", "ROC", "Examples", "Rules for empty maps"} <= set(seen)
    assert next(iter(seen)) == "At a glance"
    assert errors == []


def test_every_link_of_the_first_page_leads_somewhere(page, errors):
    for text in menu(page):
        go_home(page)
        before = page.inner_html("body")  # the graph of the workflow has no text
        follow(page, text)
        page.wait_for_function("before => document.body.innerHTML !== before", arg=before)
    hrefs = page.locator("a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
    assert all(href is None or href.startswith(("#", "data:")) for href in hrefs)
    assert errors == []

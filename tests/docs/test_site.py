"""The documentation as a site: no broken link, every page opens, and nobody else is asked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [*command, "--site-dir", str(folder)],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_page_opens_from_a_folder_and_asks_nobody(site, browser):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 15
    page = browser.new_page()
    asked, faults = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    for path in pages:
        page.goto(path.as_uri())
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert faults == []


@pytest.mark.slow
def test_formulas_are_drawn(site, browser):
    page = browser.new_page()
    page.goto((site / "theory.html").as_uri())
    sizes = page.eval_on_selector_all(
        "math", "all => all.map(m => m.getBoundingClientRect().height)"
    )
    assert len(sizes) >= 6
    assert min(sizes) > 8
    assert "\\frac" not in page.inner_text("body")
    page.close()


@pytest.mark.slow
def test_the_explorer_is_in_the_site_and_works_there(site, browser):
    page = browser.new_page()
    page.goto((site / "theory.html").as_uri())
    page.locator("nav a", has_text="Explorer").first.click()
    page.wait_for_url("**/explorer.html*")
    before = page.locator("#regime").inner_text()
    page.locator("input[name=phi][value=BI]").check()
    assert page.locator("#regime").inner_text() != before
    page.close()


@pytest.mark.slow
def test_the_command_line_is_described_by_its_own_help(site):
    text = (site / "reference" / "command-line.html").read_text()
    for command in ("check", "audit", "identify", "train", "predict", "verify"):
        assert f"dicegrad {command}" in text

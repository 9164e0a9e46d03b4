"""Pages are right where they lie: their links on GitHub, and the words that a config may hold."""

import re
from pathlib import Path

import pytest

from dicegrad.reporting.outputs import WORDS
from dicegrad.study.losses import LOSSES
from tests.docs.fenced import REPOSITORY, pages

TOP = [REPOSITORY / name for name in ("SECURITY.md", "CHANGELOG.md")]
CONFIGURATION = (REPOSITORY / "config" / "README.md").read_text()


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def broken(page: Path) -> list[str]:
    """Links of a page to files or anchors that do not exist."""
    found = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
            found.append(link)
    return found


@pytest.mark.parametrize("page", pages() + TOP, ids=lambda page: page.stem)
def test_links_work_in_the_repository_as_on_the_site(page):
    assert broken(page) == []


def test_a_link_to_no_file_or_no_heading_is_broken(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One, two\n[a](#one-two) [b](#three) [c](other.md) [d](https://example.org)\n"
    )
    assert broken(page) == ["#three", "other.md"]


@pytest.mark.parametrize("word", [*LOSSES, *WORDS])
def test_the_page_on_configs_names_every_loss_and_every_output(word):
    assert f"`{word}`" in CONFIGURATION

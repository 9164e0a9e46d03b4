"""docs/explorer.html in headless Chromium: the library's numbers, keyboard, phone, no network."""

from itertools import product
from pathlib import Path

import pytest

from dicegrad.advice.push import Setting, pushes, regime

PAGE = Path(__file__).parents[2] / "docs" / "explorer.html"


@pytest.fixture
def page(browser):
    page = browser.new_page()
    page.goto(PAGE.as_uri())
    yield page
    page.close()


GRID = [
    Setting(phi, size, epsilon, volume, overlap, missing, unannotated, classes)
    for phi, unannotated, size, epsilon, volume, overlap, missing, classes in product(
        ("I", "CI", "BI", "BCI"),
        ("as_empty", "ignored", "marginal"),
        (1, 2, 5),
        (1e-7, 1.0, 8789.0),
        (20, 8789),
        (0.0, 0.5, 1.0),
        (0.0, 0.3, 1.0),
        (1, 3),
    )
]


def test_its_numbers_and_words_are_those_of_the_library(page):
    given = [
        {
            "phi": s.phi,
            "B": s.batch_size,
            "eps": s.epsilon,
            "V": s.volume,
            "a": s.overlap,
            "s": s.missing,
            "as": s.unannotated,
            "C": s.classes,
        }
        for s in GRID
    ]
    code = "all => all.map(q => [dicegrad.pushes(q), dicegrad.regime(q)])"
    for setting, (numbers, words) in zip(GRID, page.evaluate(code, given), strict=True):
        own = pushes(setting)
        for name, value in numbers.items():
            assert value == pytest.approx(getattr(own, name), rel=1e-6, abs=1e-30), setting
        assert words == regime(setting), setting


def test_a_deep_link_sets_everything_and_a_change_is_written_to_it(page):
    page.goto(PAGE.as_uri() + "#phi=BI&B=2&eps=0.5&as=ignored")
    assert page.locator("input[name=phi]:checked").get_attribute("value") == "BI"
    assert page.locator("#o-B").inner_text() == "2"
    assert page.locator("#o-eps").inner_text() == "0.5"
    own = regime(Setting("BI", 2, 0.5, unannotated="ignored"))
    assert page.locator("#regime").inner_text().replace("\n\n", " ").replace("\n", " ") == own
    page.locator("#s-B").focus()
    page.keyboard.press("ArrowRight")
    assert "B=3" in page.url


def test_nonsense_in_the_link_is_passed_over(page):
    page.goto(PAGE.as_uri() + "#phi=X&B=-3&eps=abc&V=&as=maybe")
    assert page.locator("input[name=phi]:checked").get_attribute("value") == "I"
    assert page.locator("#o-B").inner_text() == "2"


def test_everything_is_reached_by_keyboard(page):
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"phi", "as", "s-B", "s-eps", "s-V", "s-a", "s-s", "s-C"} <= reached
    page.locator("input[name=phi]:checked").focus()
    page.keyboard.press("ArrowRight")
    assert "phi=CI" in page.url


def test_it_fits_a_phone_and_asks_nobody(browser):
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    asked, faults = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(PAGE.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert asked == [PAGE.as_uri()]
    assert faults == []
    context.close()

"""`identify` recovers every row of docs/published-implementations.md without being told anything.

From the package where the row is one and it is installed, from the published formula otherwise.
What it cannot tell of a row is "unknown" here as in the docs.
"""

from pathlib import Path

import pytest

from dicegrad.advice.identify import identify
from tests.advice.published_mask_rows import MASK_ROWS
from tests.advice.published_rows import ROWS
from tests.conftest import needs

PAGE = Path(__file__).parents[2] / "docs" / "published-implementations.md"
ALL_ROWS = ROWS | MASK_ROWS
AT_ONCE = ("V-Net (paper, gradient)", "leaf Dice, as released")  # each takes seconds; others: slow


def cases():
    found = []
    for row, losses in ALL_ROWS.items():
        for number, (loss, wanted) in enumerate(losses):
            mark = [] if row in AT_ONCE and not number else [pytest.mark.slow]
            words = loss if isinstance(loss, str) else f"formula {number}"
            found.append(pytest.param(loss, wanted, marks=mark, id=f"{row}: {words}"))
    return found


@pytest.mark.parametrize(("loss", "wanted"), cases())
def test_a_row_is_recovered_without_being_told(loss, wanted):
    if isinstance(loss, str):
        module = loss.partition(":")[0]
        needs(module, reason=f"{module.partition('.')[0]} is not installed")
    found = identify(loss if isinstance(loss, str) else loss()).to_dict()
    assert {name: found[name] for name in wanted} == wanted


def test_every_row_of_the_page_is_here():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")]
    assert [cell for cell in cells if cell != "implementation"] == list(ALL_ROWS)

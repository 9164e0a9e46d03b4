"""What counts as the code of a result."""

import ast
import io
import tokenize
from pathlib import Path

import pytest

from dicegrad import provenance
from dicegrad.provenance import _imported, _without_comments

SOURCE = """
import top
if TYPE_CHECKING:
    import for_types
else:
    import else_branch
@decorated
class Class:
    from a import of_class
    async def method(self):
        with opened() as file:
            import in_with
        for _ in (): import in_for
        else: import after_for
        while True: import in_while
try: import in_try
except OSError: import in_handler
else: import after_try
finally: import at_last
match top:
    case 1: import in_case
from . import beside
"""


def test_imports_are_found_wherever_a_statement_can_stand_but_not_those_for_types():
    assert set(_imported(ast.parse(SOURCE).body)) == {
        *("top", "a", "a.of_class", "in_with", "in_for", "after_for", "in_while"),
        *("in_try", "in_handler", "after_try", "at_last", "in_case"),
    }


def tokens(source):
    """What Python reads, without comments; how wide an indentation is means nothing."""
    aside = (tokenize.COMMENT, tokenize.NL)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in aside:
            yield token.type, "" if token.type == tokenize.INDENT else token.string


@pytest.mark.parametrize("folder", [provenance.PACKAGE, Path(__file__).parent])
def test_python_reads_the_same_where_comments_are_gone(folder):
    for path in sorted(folder.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        assert list(tokens(_without_comments(source) + "\n")) == list(tokens(source)), path


CODE = """
def area(width, height):
    if width < 0:
        raise ValueError("# of columns")
    return width * height
"""
LAYOUT = CODE.replace("(width, height)", "(  # in mm\n    width,  # of a voxel\n\n    height)")
LAYOUT = LAYOUT.replace("height\n", "height  # in mm2\n")
LAYOUT = LAYOUT.replace("    return", "    # all of it\n\n    return")


def test_comments_and_layout_do_not_count():
    assert _without_comments(LAYOUT) == _without_comments(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# of columns", "# of rows"),
        ("    return", "        return"),
        ("width *", "height *"),
        (" * ", " ** "),
        ("0:", "00:"),
    ],
)
def test_every_change_of_what_is_computed_counts(old, new):
    assert _without_comments(CODE.replace(old, new)) != _without_comments(CODE)


def test_the_c_of_losses_and_layers_counts(monkeypatch):
    with_c = provenance.code_of(provenance.TRAINING)
    assert "dicegrad_norm" in provenance._tokens("dicegrad.training.native")
    assert "dicegrad_sums" in provenance._tokens("dicegrad.losses.native")
    provenance._tokens.cache_clear()
    monkeypatch.setattr(provenance, "_native", lambda module: "")
    assert provenance.code_of(provenance.TRAINING) != with_c
    provenance._tokens.cache_clear()

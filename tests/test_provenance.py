"""What counts as the code of a result."""

import ast

from dicegrad.provenance import _imported

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

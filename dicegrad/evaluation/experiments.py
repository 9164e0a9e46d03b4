"""How tables and figures name an experiment, and a check that no two share a name."""

from collections.abc import Sequence

import pandas as pd

from dicegrad.errors import InputError

NAMED_BY = ["dataset", "labeling", "setup", "batch_size"]
CELL = [*NAMED_BY, "group", "class"]


def one_score_each(
    table: pd.DataFrame,
    named_by: Sequence[str] = NAMED_BY,
    scored: Sequence[str] = ("case", "class"),
) -> pd.DataFrame:
    """Return the table unchanged if no two experiments share a name in it.

    Tables and figures name an experiment by `named_by`. If two experiments that differ in any
    other column had the same name, their scores would be averaged without notice.

    Args:
        table: With the columns named below.
        named_by: Columns that name an experiment.
        scored: Columns that name one of its values.

    Raises:
        InputError: A value occurs twice under one name.

    Example:
        >>> keys = {"dataset": "heart", "labeling": "full", "setup": "I", "batch_size": 2}
        >>> one = pd.DataFrame([{**keys, "case": "p1", "class": "MYO", "dsc": 0.9}])
        >>> len(one_score_each(one))
        1
    """
    # Training runs with another seed are several values of one experiment.
    keys = [*named_by, *(name for name in ("seed",) if name in table), *scored]
    again = table[table.duplicated(keys)]
    if len(again):
        first = again.iloc[0]
        name = ", ".join(f"{key} {first[key]}" for key in named_by)
        value = ", ".join(f"{key} {first[key]}" for key in scored)
        raise InputError(
            f"scores: two experiments have the same name ({name}): {value} occurs twice; "
            "leave one of them out of the experiment table, or score the study again"
        )
    return table

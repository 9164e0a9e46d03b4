"""What tells the results of two training runs apart, and a check that none are mixed up."""

from collections.abc import Sequence

import pandas as pd

from dicegrad.errors import InputError

TRAINING = ["dataset", "labeling", "setup", "batch_size"]
CELL = [*TRAINING, "group", "class"]


def one_score_each(
    table: pd.DataFrame,
    training: Sequence[str] = TRAINING,
    scored: Sequence[str] = ("case", "class"),
) -> pd.DataFrame:
    """Return the table unchanged if no two experiments share a name in it.

    Tables and figures name an experiment by `training`. If two experiments that differ in any
    other column had the same name there, a mean over them would be taken without a word.

    Args:
        table: With the columns named below.
        training: Columns that name an experiment.
        scored: Columns that name one of its values.

    Raises:
        InputError: A value occurs twice under one name.

    Example:
        >>> keys = {"dataset": "heart", "labeling": "full", "setup": "I", "batch_size": 2}
        >>> one = pd.DataFrame([{**keys, "case": "p1", "class": "MYO", "dsc": 0.9}])
        >>> len(one_score_each(one))
        1
    """
    keys = [*training, *scored]
    again = table[table.duplicated(keys)]
    if len(again):
        first = again.iloc[0]
        name = ", ".join(f"{key} {first[key]}" for key in training)
        value = ", ".join(f"{key} {first[key]}" for key in scored)
        raise InputError(
            f"scores: two experiments have the same name ({name}): {value} occurs twice; "
            "leave one of them out of the experiment table, or score the study again"
        )
    return table

"""Rows of scores by how many labels were missing in training."""

import pandas as pd

from dicegrad.study.labeling import missing_share


def with_missing_labels(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each dataset's labeling with the most missing labels: `partial` where it is.

    Args:
        table: Columns dataset and labeling (and any other).

    Returns:
        Those rows; none of a dataset that was only trained on full labels.
    """
    shares = table["labeling"].map(missing_share).astype(float)
    most = shares.groupby(table["dataset"]).transform("max")
    return table[(shares == most) & (shares > 0)]


def add_setup(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores, which have their setups already."""
    return scores.copy()

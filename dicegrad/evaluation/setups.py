"""Rows of scores by how many labels were missing in training."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dicegrad.study.labeling import missing_share, sort_labelings


def with_missing_labels(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each dataset's labeling with the most missing labels.

    Args:
        table: Columns dataset and labeling (and any other).

    Returns:
        Those rows; none of a dataset that was only trained on full labels.
    """
    most = {
        dataset: sort_labelings(set(labelings))[-1]
        for dataset, labelings in table.groupby("dataset")["labeling"]
    }
    lacking = table["labeling"].map(missing_share).astype(float) > 0
    return table[lacking & (table["labeling"] == table["dataset"].map(most))]


def share_missing(about: Mapping[str, Any], labeling: str, group: str, class_name: str) -> float:
    """The share of a group's maps of a class that a labeling takes away.

    Args:
        about: `Dataset.about`.
        labeling: Of the training.
        group: One of the groups.
        class_name: One of the classes.
    """
    shares = about.get("labelings", {})
    if labeling in shares:
        return float(shares[labeling].get(group, {}).get(class_name, 0.0))
    missing = about["missing"]
    lacks = group == missing["group"] and class_name in missing["classes"]
    return missing_share(labeling) if lacks else 0.0

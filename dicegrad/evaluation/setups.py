"""Rows of scores by how many labels were missing in training."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from dicegrad.study.labeling import labels_taken, missing_share, sort_labelings


def with_missing_labels(
    table: pd.DataFrame, datasets: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """The rows of each dataset's labeling with the most missing labels.

    Args:
        table: Columns dataset and labeling (and any other).
        datasets: {name: `Dataset.about`}.

    Returns:
        Those of the labeling that takes the most maps, shares of groups and classes summed; none
        of a dataset that was only trained on full labels.
    """
    most = {
        dataset: in_order(datasets.get(str(dataset)), labelings)[-1]
        for dataset, labelings in table.groupby("dataset")["labeling"]
    }
    lacking = table["labeling"].map(missing_share).astype(float) > 0
    return table[lacking & (table["labeling"] == table["dataset"].map(most))]


def in_order(about: Mapping[str, Any] | None, labelings: Iterable[str]) -> list[str]:
    """The labelings of a dataset, the more labels they take the later.

    Args:
        about: `Dataset.about`; without it the names have to tell.
        labelings: Their names, which may come twice.
    """
    names = set(labelings)
    return sort_labelings(names, None if about is None else taken_by(about, names))


def taken_by(about: Mapping[str, Any], labelings: Iterable[str]) -> dict[str, float]:
    """Labeling -> how much it takes away: 1 is all maps of one class in one group.

    Args:
        about: `Dataset.about`.
        labelings: Their names.
    """
    return {
        labeling: labels_taken(
            {
                group: {
                    each: share_missing(about, labeling, group, each) for each in about["classes"]
                }
                for group in about["groups"]
            }
        )
        for labeling in labelings
    }


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


def lacking_groups(about: Mapping[str, Any], labeling: str, class_name: str) -> list[str]:
    """The groups from which a labeling takes maps of a class, in the order of the dataset.

    Args:
        about: `Dataset.about`.
        labeling: Of the training.
        class_name: One of the classes.
    """
    return [
        group for group in about["groups"] if share_missing(about, labeling, group, class_name) > 0
    ]

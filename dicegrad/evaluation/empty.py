"""Empty maps: how often they are output, and how three frameworks' rules would score them."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dicegrad.evaluation.experiments import CELL, one_score_each
from dicegrad.evaluation.metrics import EMPTY_RULES, dice_under_rule
from dicegrad.evaluation.scores import map_volumes
from dicegrad.evaluation.setups import share_missing

DECISION_COLUMNS = (*CELL, "n", "empty", "rate", "rate_low", "rate_high", "should_be_empty")
RULE_COLUMNS = (*CELL, "truth", "rule", "n", "counted", "dsc")


def empty_decisions(
    scores: pd.DataFrame, datasets: Mapping[str, Mapping[str, Any]], *, at_most_ml: float = 0.0
) -> pd.DataFrame:
    """How often a missing class is output as an empty map.

    Args:
        scores: scores.tsv.
        datasets: {name: {"missing": {"group", "classes"}, ...}}.
        at_most_ml: Predicted volume up to which a map counts as empty.

    Returns:
        Table with `DECISION_COLUMNS` for the missing classes: share of empty maps with Clopper and
        Pearson's 95 % interval. Where `should_be_empty` (the missing group, partial labels) the
        rate is the sensitivity of the decision, elsewhere its false alarms.
    """
    rows = []
    for where, gone, cases in _missing_classes(scores, datasets):
        n = len(cases)
        empty = int((map_volumes(cases) <= at_most_ml).sum())
        low, high = stats.binomtest(empty, n).proportion_ci()
        rows.append(
            {
                **where,
                "n": n,
                "empty": empty,
                "rate": empty / n,
                "rate_low": low,
                "rate_high": high,
                "should_be_empty": gone,
            }
        )
    return pd.DataFrame(rows, columns=list(DECISION_COLUMNS))


def dice_rules(scores: pd.DataFrame, datasets: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Mean DSC of the missing classes under each framework's rule for empty maps.

    Args:
        scores: scores.tsv.
        datasets: {name: {"missing": {"group", "classes"}, ...}}.

    Returns:
        Table with `RULE_COLUMNS`. `truth` is `full` (the labels that every table uses) or
        `training` (what the network was shown, empty for the missing group of partial labels:
        here the rules differ). `counted` is how many of the n cases enter the mean.
    """
    rows = []
    for where, gone, cases in _missing_classes(scores, datasets):
        truths = {"full": cases}
        if gone:
            empty = (map_volumes(cases) == 0).astype(float)
            truths["training"] = cases.assign(volume_true_ml=0.0, dsc=empty)
        for truth, seen in truths.items():
            for rule in EMPTY_RULES:
                dsc = dice_under_rule(seen["dsc"], seen["volume_true_ml"], map_volumes(seen), rule)
                counted = int(np.isfinite(dsc).sum())
                mean = float(np.nanmean(dsc)) if counted else float("nan")
                about = {"truth": truth, "rule": rule, "n": len(seen)}
                rows.append({**where, **about, "counted": counted, "dsc": mean})
    return pd.DataFrame(rows, columns=list(RULE_COLUMNS))


def rules_side_by_side(rules: pd.DataFrame) -> pd.DataFrame:
    """The table of `dice_rules` with a column of mean DSC for each rule.

    Args:
        rules: From `dice_rules`.

    Returns:
        One row per cell and truth: `CELL`, truth, n, then the rules.
    """
    keys = [*CELL, "truth", "n"]
    wide = rules.pivot(index=keys, columns="rule", values="dsc")
    order = pd.MultiIndex.from_frame(rules[keys].drop_duplicates())
    wide = wide.reindex(index=order, columns=list(EMPTY_RULES))
    return wide.rename_axis(columns=None).reset_index()


def _missing_classes(
    scores: pd.DataFrame, datasets: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[dict[str, Any], bool, pd.DataFrame]]:
    """The key of each cell of a missing class, whether its labels were missing, and its cases."""
    named = one_score_each(scores)
    for keys, cases in named.groupby(CELL, sort=False):
        where = dict(zip(CELL, keys, strict=True))
        missing = datasets.get(where["dataset"], {}).get("missing")
        if missing is not None and where["class"] in missing["classes"]:
            share = share_missing(
                datasets[where["dataset"]], where["labeling"], where["group"], where["class"]
            )
            yield where, share == 1, cases

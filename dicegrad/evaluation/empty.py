"""Empty maps: how often they are output, and how three frameworks' rules would score them."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dicegrad.evaluation.experiments import CELL, one_score_each
from dicegrad.evaluation.metrics import EMPTY_RULES, dice_under_rule
from dicegrad.evaluation.scores import map_volumes
from dicegrad.evaluation.seeds import seeds_of
from dicegrad.evaluation.setups import share_missing

DECISION_COLUMNS = (*CELL, "n", "empty", "rate", "rate_low", "rate_high", "should_be_empty")
RULE_COLUMNS = (*CELL, "truth", "rule", "n", "counted", "dsc")


def empty_decisions(
    runs: pd.DataFrame, datasets: Mapping[str, Mapping[str, Any]], *, at_most_ml: float = 0.0
) -> pd.DataFrame:
    """How often a missing class is output as an empty map.

    Args:
        runs: scores.tsv, every seed by itself.
        datasets: {name: {"missing": {"group", "classes"}, ...}}.
        at_most_ml: Predicted volume up to which a map counts as empty.

    Returns:
        Table with `DECISION_COLUMNS` for the missing classes: share of empty maps, of those whose
        true map holds the class, with Clopper and Pearson's 95 % interval (by case). Where
        `should_be_empty` (the missing group, partial labels) the rate is the sensitivity of the
        decision, elsewhere its false alarms; a cell without such a map has no row. Of several
        seeds, `empty` is the mean number, perhaps no whole one, and n the number of cases.
    """
    rows = []
    seeds = max(1, len(seeds_of(runs)))
    for where, gone, every in _missing_classes(runs, datasets):
        # An empty map is right where nothing is there, and nobody knows where nobody looked.
        cases = every[every["volume_true_ml"] > 0]
        if cases.empty:
            continue
        n = len(cases) // seeds
        empty = int((map_volumes(cases) <= at_most_ml).sum()) / seeds
        low, high = _clopper_pearson(empty, n)
        empty = int(empty) if empty.is_integer() else empty
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


def _clopper_pearson(count: float, n: int) -> tuple[float, float]:
    """The 95 % interval of count / n; a mean count over seeds need not be whole."""
    if count.is_integer():
        low, high = stats.binomtest(int(count), n).proportion_ci()
        return float(low), float(high)
    low, high = stats.beta.ppf([0.025, 0.975], [count, count + 1], [n - count + 1, n - count])
    return float(low), float(high)


def dice_rules(runs: pd.DataFrame, datasets: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Mean DSC of the missing classes under each framework's rule for empty maps.

    Args:
        runs: scores.tsv, every seed by itself.
        datasets: {name: {"missing": {"group", "classes"}, ...}}.

    Returns:
        Table with `RULE_COLUMNS`. `truth` is `full` (the labels that every table uses) or
        `training` (what the network was shown, empty for the missing group of partial labels:
        here the rules differ). `counted` is how many of the n cases enter the mean; of several
        seeds, the mean number.
    """
    rows = []
    seeds = max(1, len(seeds_of(runs)))
    for where, gone, cases in _missing_classes(runs, datasets):
        truths = {"full": cases}
        if gone:
            empty = (map_volumes(cases) == 0).astype(float)
            truths["training"] = cases.assign(volume_true_ml=0.0, dsc=empty)
        for truth, seen in truths.items():
            for rule in EMPTY_RULES:
                dsc = dice_under_rule(seen["dsc"], seen["volume_true_ml"], map_volumes(seen), rule)
                counted = int(np.isfinite(dsc).sum())
                mean = float(np.nanmean(dsc)) if counted else float("nan")
                about = {"truth": truth, "rule": rule, "n": len(seen) // seeds}
                share = counted / seeds if counted % seeds else counted // seeds
                rows.append({**where, **about, "counted": share, "dsc": mean})
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
    runs: pd.DataFrame, datasets: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[dict[str, Any], bool, pd.DataFrame]]:
    """The key of each cell of a missing class, whether its labels were missing, and its cases."""
    named = one_score_each(runs)
    for keys, cases in named.groupby(CELL, sort=False):
        where = dict(zip(CELL, keys, strict=True))
        missing = datasets.get(where["dataset"], {}).get("missing")
        if missing is not None and where["class"] in missing["classes"]:
            share = share_missing(
                datasets[where["dataset"]], where["labeling"], where["group"], where["class"]
            )
            yield where, share == 1, cases

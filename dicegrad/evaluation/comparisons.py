"""Which results differ: `comparisons.tsv`, one row per pair of training runs compared.

Three questions are asked of a study (a training run that it does not have gives no row):

- `labeling`: side a is partial (or a share of it), side b full, same setup and batch size: what do
  missing labels do?
- `loss`: I and the losses beside it, on the same partial labels, ranked jointly and tested
  pairwise: marginal and leaf Dice, Dice with cross-entropy, cross-entropy.
- `unannotated`: side a knows which maps are annotated, side b is the same setup without: what does
  knowing do?

Each is asked per dataset, batch size, group and class, of the DSC and of the absolute volume error.
Cases are pooled over folds and paired: a case counts if every compared training run has a value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from dicegrad.evaluation.bootstrap import mean_interval
from dicegrad.evaluation.experiments import one_score_each
from dicegrad.evaluation.ranks import DRAWS, holm, rank_methods, sign_flip_test
from dicegrad.evaluation.seeds import volume_error
from dicegrad.files import Columns
from dicegrad.study.labeling import sort_labelings

# Metric -> whether larger is better.
METRICS: Mapping[str, bool] = {"dsc": True, "volume_error_ml": False}
# I and the losses beside it, by the names of their setups.
RIVALS = ("I", "marginal", "leaf", "I+CE", "CE")
# The family within which Holm's correction counts the tests.
FAMILY = ["dataset", "question", "metric"]
# What all sides of a comparison have in common.
SHARED = ["dataset", "batch_size", "group", "class"]
COMPARISON_COLUMNS = (
    "dataset",
    "question",
    "batch_size",
    "group",
    "class",
    "metric",
    "labeling_a",
    "setup_a",
    "labeling_b",
    "setup_b",
    "n",
    "subjects",
    "mean_a",
    "mean_a_low",
    "mean_a_high",
    "mean_b",
    "mean_b_low",
    "mean_b_high",
    "difference",
    "ci_low",
    "ci_high",
    "mean_rank_a",
    "mean_rank_b",
    "p_value",
    "p_holm",
    "p_inclusive",
    "method",
    "p_raw",
    "method_raw",
    "effect_dz",
    "effect_wins",
)

COMPARISONS = Columns(
    text=(
        "dataset", "question", "group", "class", "metric", "labeling_a", "setup_a", "labeling_b",
        "setup_b", "method", "method_raw",
    ),
    whole=("batch_size", "n", "subjects"),
    rest="number",
)  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One of the training runs that are compared."""

    labeling: str
    setup: str


def compare(scores: pd.DataFrame, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Test every pair of training runs that answers one of the questions.

    Args:
        scores: scores.tsv, the mean of each case over the seeds.
        draws: Of the Monte Carlo test, used where the exact one does not fit.
        seed: Of the Monte Carlo test and the bootstrap.

    Returns:
        Table with `COMPARISON_COLUMNS` (described in docs/statistics.md); no rows where the study
        answers none of the questions. `difference` is a - b.

    Raises:
        InputError: Two experiments share a name.
    """
    named = one_score_each(scores).copy()
    named["volume_error_ml"] = volume_error(named)
    others = rivals_of(named)
    rows = []
    for keys, cases in named.groupby(SHARED, sort=False):
        where = dict(zip(SHARED, keys, strict=True))
        subjects = cases.drop_duplicates("case").set_index("case")["subject"]
        for metric, larger in METRICS.items():
            wide = cases.pivot(index="case", columns=["labeling", "setup"], values=metric)
            for question, sides in _questions(list(wide.columns), others):
                values = wide[[(side.labeling, side.setup) for side in sides]].dropna()
                if len(values):
                    about = {**where, "question": question, "metric": metric}
                    owners = subjects.loc[values.index].to_numpy()
                    rows += _rows(about, sides, values.to_numpy(), owners, larger, draws, seed)
    table = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
    if len(table):
        table["p_holm"] = table.groupby(FAMILY)["p_value"].transform(holm)
    return table.sort_values(["dataset", "question"], kind="stable", ignore_index=True)


def rivals_of(scores: pd.DataFrame) -> list[str]:
    """I and the setups of all other losses than Dice, in the order in which they are ranked."""
    others = sorted(set(scores.loc[scores["loss"] != "dice", "setup"]) - set(RIVALS))
    return [*RIVALS, *others]


def _questions(
    columns: list[tuple[str, str]], rivals: Sequence[str]
) -> Iterator[tuple[str, list[Side]]]:
    """The sets of training runs to rank together, among the (labeling, setup) that are there."""
    labelings = [x for x in sort_labelings(labeling for labeling, _ in columns) if x != "full"]
    for setup in dict.fromkeys(setup for _, setup in columns):
        for labeling in labelings:
            if (labeling, setup) in columns and ("full", setup) in columns:
                yield "labeling", [Side(labeling, setup), Side("full", setup)]
    for labeling in labelings:
        here = [Side(labeling, name) for name in reversed(rivals) if (labeling, name) in columns]
        if len(here) > 1:
            yield "loss", here
    for labeling, setup in columns:
        plain = setup.partition(",")[0]
        if plain != setup and (labeling, plain) in columns:
            yield "unannotated", [Side(labeling, setup), Side(labeling, plain)]


def _rows(
    about: Mapping[str, object],
    sides: list[Side],
    values: npt.NDArray[np.float64],
    subjects: npt.NDArray,
    larger: bool,
    draws: int,
    seed: int,
) -> list[dict[str, object]]:
    """Pairwise rows of one jointly ranked set of training runs."""
    ranks = rank_methods(values, larger_is_better=larger)
    means = [mean_interval(column, subjects, seed=seed) for column in values.T]
    rows = []
    for a, b in combinations(range(len(sides)), 2):
        raw = values[:, a] - values[:, b]
        interval = mean_interval(raw, subjects, seed=seed)
        rank_test = sign_flip_test(ranks[:, a] - ranks[:, b], subjects, draws=draws, seed=seed)
        raw_test = sign_flip_test(raw, subjects, draws=draws, seed=seed)
        rows.append(
            {
                **about,
                "labeling_a": sides[a].labeling,
                "setup_a": sides[a].setup,
                "labeling_b": sides[b].labeling,
                "setup_b": sides[b].setup,
                "n": len(values),
                "subjects": len(np.unique(subjects)),
                "mean_a": means[a].mean,
                "mean_a_low": means[a].low,
                "mean_a_high": means[a].high,
                "mean_b": means[b].mean,
                "mean_b_low": means[b].low,
                "mean_b_high": means[b].high,
                "difference": interval.mean,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "mean_rank_a": ranks[:, a].mean(),
                "mean_rank_b": ranks[:, b].mean(),
                "p_value": rank_test.p_value,
                "p_inclusive": rank_test.p_inclusive,
                "method": rank_test.method,
                "p_raw": raw_test.p_value,
                "method_raw": raw_test.method,
                "effect_dz": _dz(raw),
                "effect_wins": _wins(raw, larger),
            }
        )
    return rows


def _dz(differences: npt.NDArray[np.float64]) -> float:
    """Cohen's d of paired differences: mean / standard deviation; NaN where all are equal."""
    spread = differences.std(ddof=1) if len(differences) > 1 else 0.0
    return float(differences.mean() / spread) if spread > 1e-12 else float("nan")


def _wins(differences: npt.NDArray[np.float64], larger: bool) -> float:
    """Share of cases where side a is better minus the share where side b is, in [-1, 1]."""
    better = np.sign(differences) if larger else -np.sign(differences)
    return float(better.mean())

"""Two experiments with one name are an error, in everything that takes means."""

import pandas as pd
import pytest

from dicegrad.errors import InputError
from dicegrad.evaluation.agreement import agreement
from dicegrad.evaluation.comparisons import compare
from dicegrad.evaluation.empty import dice_rules, empty_decisions
from dicegrad.evaluation.experiments import one_score_each
from dicegrad.evaluation.roc_curves import roc_table
from dicegrad.evaluation.surfaces import surfaces
from dicegrad.reporting.tables import table1, table_losses
from tests.evaluation.conftest import DATASETS, make_scores


@pytest.fixture
def two_networks():
    """A study with a further column: every experiment was done with two networks."""
    scores = make_scores(subjects=2)
    return pd.concat(
        [scores.assign(network="small"), scores.assign(network="large")], ignore_index=True
    )


@pytest.mark.parametrize(
    "summarise",
    [
        agreement,
        compare,
        surfaces,
        lambda scores: roc_table(scores, DATASETS),
        lambda scores: dice_rules(scores, DATASETS),
        lambda scores: empty_decisions(scores, DATASETS),
        lambda scores: table1(scores, compare(make_scores(subjects=2)), DATASETS),
        lambda scores: table_losses(scores, compare(make_scores(subjects=2)), DATASETS),
    ],
    ids=["agreement", "compare", "surfaces", "roc", "rules", "empty", "table1", "losses"],
)
def test_no_mean_is_taken_over_two_experiments(summarise, two_networks):
    with pytest.raises(InputError, match=r"setup I, .*case 0ED, class LV occurs twice"):
        summarise(two_networks)


def test_a_table_of_single_scores_passes_unchanged():
    scores = make_scores(subjects=2).assign(setup="I")
    one = scores[(scores["loss"] == "leaf")]
    assert one_score_each(one) is one

from pathlib import Path

import pytest

from dicegrad.data.adapter import Case
from dicegrad.reporting.figures.choice import choose_examples
from tests.reporting.conftest import DATASETS, cases_of, make_scores

HEART = DATASETS["heart"]
CASES = [
    Case(name, subject, group, (Path(f"{name}.nii.gz"),), Path(f"{name}_gt.nii.gz"))
    for name, subject, group in cases_of("heart", 12)
]


@pytest.fixture(scope="module")
def scores():
    return make_scores(batch_sizes=(1, 2))


def choose(scores, **chosen):
    return choose_examples(scores, CASES, "heart", HEART, chosen, Path("results/x"))


def test_every_group_and_batch_size_has_one_example(scores):
    found = [(example.batch_size, example.group) for example in choose(scores)]
    assert found == [(1, "ED"), (1, "ES"), (2, "ED"), (2, "ES")]


def test_the_missing_group_alone_is_shown_as_emptied(scores):
    assert {example.group: example.emptied for example in choose(scores)} == {
        "ED": (),
        "ES": ("MYO",),
    }


def test_the_named_case_is_shown(scores):
    assert {e.case for e in choose(scores, ED="7ED") if e.group == "ED"} == {"7ED"}


def test_a_case_that_was_not_scored_gives_way_to_the_one_of_median_volume(scores):
    chosen = scores.query(
        "dataset == 'heart' and labeling == 'partial' and batch_size == 2"
        " and group == 'ED' and `class` == 'MYO'"
    )
    volumes = chosen.groupby("case")["volume_true_ml"].first()
    shown = next(
        e.case for e in choose(scores, ED="nobody") if (e.batch_size, e.group) == (2, "ED")
    )
    smaller = (volumes < volumes[shown]).sum()
    assert smaller == (len(volumes) - 1) // 2


def test_the_median_is_of_the_cases_whose_volume_is_known(scores):
    names = sorted(scores.loc[scores["group"] == "ED", "case"].unique())
    unknown = scores.assign(
        volume_true_ml=scores["volume_true_ml"].where(scores["case"].isin(names[:3]))
    )
    shown = {e.case for e in choose(unknown, ED="nobody") if e.group == "ED"}
    assert shown <= set(names[:3])


def test_predictions_lie_where_the_workflow_puts_them(scores):
    example = choose(scores, ES="3ES")[1]
    assert example.predictions["I_eps"] == Path(
        "results/x/dataset~heart/labeling~partial/loss~dice/phi~I/epsilon~heuristic/batch_size~1"
        "/fold~1/predictions/3ES.nii.gz"
    )
    assert set(example.predictions) == {"I", "BI", "I_eps", "marginal", "leaf"}

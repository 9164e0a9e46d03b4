"""Training runs that stayed behind are found by the volume of what was labelled."""

import pandas as pd
import pytest

from dicegrad.evaluation.failed import failed_runs, volume_lines
from tests.reporting.conftest import DATASETS, make_scores


def change(scores, factor, **where):
    chosen = pd.Series(True, index=scores.index)
    for column, value in where.items():
        chosen &= scores[column] == value
    assert chosen.any()
    volumes = scores["volume_pred_ml"].mask(chosen, scores["volume_true_ml"] * factor)
    return scores.assign(volume_pred_ml=volumes)


def test_a_sound_study_has_none_though_it_learns_what_is_missing_as_empty(scores):
    assert failed_runs(scores, DATASETS).empty


@pytest.mark.parametrize("factor", [0.0, 0.3, 3.5, 10])
def test_one_fold_of_one_labelled_class_is_named_with_how_far_it_is_off(scores, factor):
    where = {"dataset": "heart", "labeling": "partial", "setup": "I", "fold": 1}
    where |= {"group": "ED", "class": "LV"}
    (row,) = failed_runs(change(scores, factor, **where), DATASETS).to_dict("records")
    assert {key: row[key] for key in where} == where
    assert row["volume_ratio"] == pytest.approx(factor)
    assert row["n"] == 6


def test_the_log_of_an_experiment_marks_what_is_three_times_too_large_or_too_small(scores):
    keys = {"dataset": "heart", "labeling": "partial", "setup": "I"}
    mine = scores[scores[list(keys)].eq(list(keys.values())).all(axis=1)]
    assert not any(line.startswith("!") for line in volume_lines(mine))
    far = change(mine, 3.5, fold=1, group="ED", **{"class": "LV"})
    (line,) = [line for line in volume_lines(far) if line.startswith("!")]
    assert line.startswith("! fold 1, ED, LV: DSC 0.9")
    assert line.endswith("3.5 times the true volume")


def test_what_was_missing_is_no_failure(scores):
    where = {"dataset": "heart", "labeling": "partial", "group": "ES", "class": "MYO"}
    assert failed_runs(change(scores, 0.0, **where), DATASETS).empty


def test_a_class_that_is_in_no_truth_has_no_ratio():
    scores = make_scores(("heart",)).assign(volume_true_ml=0.0)
    assert failed_runs(scores, DATASETS).empty


@pytest.mark.parametrize(("factor", "failed"), [(0.0, 0), (10.0, 1)])
def test_where_some_labels_are_missing_only_too_large_is_a_failure(scores, factor, failed):
    where = {"dataset": "heart", "labeling": "partial", "setup": "I", "fold": 1}
    where |= {"group": "ES", "class": "MYO"}
    half = {**DATASETS["heart"], "labelings": {"partial": {"ES": {"MYO": 0.5}}}}
    changed = change(scores, factor, **where)
    assert len(failed_runs(changed, {**DATASETS, "heart": half})) == failed

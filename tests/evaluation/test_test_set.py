"""The table of a test set: one value a case, whatever the seeds."""

import pandas as pd
import pytest

from dicegrad.evaluation.scores import write_scores
from dicegrad.evaluation.test_set import TEST_SCORES, table_of_test_set
from dicegrad.files import read_table
from tests.reporting.conftest import make_scores


@pytest.fixture(scope="module")
def single():
    return make_scores(("heart",)).drop(columns="fold")


def test_every_class_and_group_has_a_row_with_its_mean(single, tmp_path):
    write_scores(single, tmp_path / "test_scores.tsv")
    table = table_of_test_set(read_table(tmp_path / "test_scores.tsv", TEST_SCORES))
    cell = ["labeling", "setup", "group", "class"]
    assert len(table) == single.groupby([*cell, "batch_size"]).ngroups
    means = single.groupby(cell)["dsc"].mean()
    for row in table.to_dict("records"):
        assert row["dsc"] == pytest.approx(means[tuple(row[key] for key in cell)])
        assert row["dsc_low"] <= row["dsc"] <= row["dsc_high"]


def test_seeds_that_agree_change_nothing_but_the_spread(single):
    three = pd.concat([single.assign(seed=seed) for seed in range(3)], ignore_index=True)
    once, again = table_of_test_set(single), table_of_test_set(three)
    assert (again["seeds"] == 3).all()
    assert again["dsc_seed_sd"].to_numpy() == pytest.approx(0, abs=1e-12)
    pd.testing.assert_frame_equal(once, again[once.columns])

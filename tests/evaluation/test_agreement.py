import numpy as np
import pandas as pd
import pytest

from dicegrad.evaluation.agreement import agreement


def test_bias_and_limits_by_hand(scores):
    chosen = scores[(scores["labeling"] == "full") & (scores["phi"] == "I")].copy()
    offset = np.where(chosen["fold"] == 0, 1.0, 3.0)
    chosen["volume_pred_ml"] = chosen["volume_true_ml"] + offset
    table = agreement(chosen)
    assert len(table) == 4
    spread = 1.96 * np.std([1, 3] * 6, ddof=1)
    assert table["bias_ml"].to_numpy() == pytest.approx(2)
    assert table["limit_high"].to_numpy() == pytest.approx(2 + spread)
    assert table["limit_low"].to_numpy() == pytest.approx(2 - spread)
    assert (table["bias_low"] < 2).all()
    assert (table["bias_high"] > 2).all()
    assert (table["correlation"] > 0.9).all()


def test_a_case_that_nobody_drew_takes_part_in_no_column(scores):
    of_i = scores[(scores["labeling"] == "full") & (scores["phi"] == "I")].reset_index(drop=True)
    unknown = of_i.index[:3]
    of_i.loc[unknown, "volume_pred_ml"] = 1000.0
    of_i.loc[unknown, "volume_true_ml"] = np.nan
    found, without = (
        agreement(each).sort_values(["class", "group"], ignore_index=True)
        for each in (of_i, of_i.drop(unknown))
    )
    assert without["correlation"].notna().all()
    pd.testing.assert_frame_equal(found, without)


def test_volumes_that_do_not_vary_have_no_correlation(scores):
    table = agreement(scores[scores["subject"] == "0"])
    assert table["correlation"].isna().all()
    assert table["limit_low"].isna().all()

import numpy as np
import pytest

from dicegrad.evaluation.surfaces import SURFACE_COLUMNS, surfaces


def test_hd95_is_a_mean_over_the_cases_that_have_one(scores):
    chosen = scores[(scores["labeling"] == "full") & (scores["phi"] == "I")].copy()
    chosen["hd95_mm"] = np.where(chosen["subject"] == "0", np.nan, 3.0)
    chosen["surface_dice"] = np.where(chosen["subject"] == "0", 0.0, 1.0)
    table = surfaces(chosen)
    assert list(table.columns) == list(SURFACE_COLUMNS)
    assert (table["hd95_n"] == table["n"] - 1).all()
    assert table["hd95_mm"].to_numpy() == pytest.approx(3)
    assert table["surface_dice"].to_numpy() == pytest.approx(1 - 1 / table["n"].to_numpy())


def test_scores_without_surfaces_have_no_means(scores):
    plain = scores.drop(columns=["hd95_mm", "surface_dice"], errors="ignore")
    table = surfaces(plain)
    assert table["hd95_mm"].isna().all()
    assert (table["hd95_n"] == 0).all()
    assert len(table) == len(plain.groupby(["labeling", "loss", "phi", "group", "class"]))

"""A study on really missing labels ends with the loss to take, by how much, and how sure."""

import numpy as np
import pandas as pd

from dicegrad.reporting.recommend import recommendation
from dicegrad.reporting.summary import summarise


def study(means, spread=0.02, subjects=30):
    """Scores of some setups on labels as annotated; every third map was not annotated."""
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 0.05, subjects)
    rows = [
        {
            "dataset": "mine",
            "labeling": "as-annotated",
            "batch_size": 2,
            "setup": setup,
            "case": f"c{number}",
            "subject": f"s{number}",
            "group": "all",
            "class": "head",
            "dsc": np.nan if number % 3 == 0 else mean + hard[number] + rng.normal(0, spread),
        }
        for setup, mean in means.items()
        for number in range(subjects)
    ]
    return pd.DataFrame(rows)


def test_the_better_loss_is_named_with_its_lead_and_interval():
    text = recommendation(study({"I": 0.7, "BI": 0.5, "BI,ignored": 0.8}), "mine")
    assert text.startswith("Take BI,ignored on these data: DSC 0.")
    assert "of I, the next best, on 20 annotated maps of held-out cases; it is better by 0." in text
    low, high = map(float, text.split("interval ")[1].rstrip(")").split(" to "))
    assert 0 < low < 0.1 < high


def test_two_that_are_as_good_as_each_other_are_called_so():
    scores = study({"I": 0.7, "BI": 0.7}, spread=0)
    swing = np.tile([0.06, -0.05], len(scores) // 2)  # BI is better by a little, and now and then
    scores["dsc"] += swing * (scores["setup"] == "BI")
    text = recommendation(scores, "mine")
    assert text.startswith("No loss is surely best on 20 annotated maps of held-out cases: DSC 0.")


def test_one_loss_or_full_labels_give_no_recommendation():
    assert recommendation(study({"I": 0.7}), "mine") is None
    full = study({"I": 0.7, "BI": 0.8}).assign(labeling="full")
    assert recommendation(full, "mine") is None


def test_the_summary_ends_with_it(table):
    about = {"mine": {"missing": {"group": "", "classes": ["head"]}, "groups": ["all"]}}
    about["mine"]["classes"] = ["head"]
    scores = study({"I": 0.7, "BI": 0.8}).assign(volume_true_ml=1.0, volume_pred_ml=1.0)
    text = summarise(table.iloc[:0], about, scores)
    assert text.splitlines()[-1].startswith("mine: Take BI on these data")

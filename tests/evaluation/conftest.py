import numpy as np
import pandas as pd
import pytest

from tests.conftest import with_setups

DATASETS = {
    "heart": {
        "missing": {"group": "ES", "classes": ["MYO"]},
        "groups": ["ED", "ES"],
        "classes": ["LV", "MYO"],
    }
}
EXPERIMENTS = [
    *(("full", "dice", phi, eps) for phi, eps in [("I", "1e-7"), ("BI", "1e-7")]),
    *(("partial", "dice", phi, eps) for phi, eps in [("I", "1e-7"), ("BI", "1e-7")]),
    ("partial", "marginal", "I", "1e-7"),
    ("partial", "leaf", "I", "1e-7"),
]


def make_scores(subjects=12, seed=0):
    """A small heart study where BI learnt the empty maps of MYO in ES."""
    rng = np.random.default_rng(seed)
    rows = []
    for labeling, loss, phi, epsilon in EXPERIMENTS:
        for s in range(subjects):
            for group in ("ED", "ES"):
                for name in ("LV", "MYO"):
                    gone = (labeling, phi, group, name) == ("partial", "BI", "ES", "MYO")
                    dsc = 0.0 if gone else 0.9 + 0.01 * rng.normal()
                    true = 80 + 5 * rng.normal()
                    rows.append(
                        {
                            "dataset": "heart",
                            "labeling": labeling,
                            "loss": loss,
                            "phi": phi,
                            "epsilon": epsilon,
                            "batch_size": 2,
                            "fold": s % 2,
                            "case": f"{s}{group}",
                            "subject": str(s),
                            "group": group,
                            "class": name,
                            "dsc": dsc,
                            "volume_true_ml": true,
                            "volume_pred_ml": 0.0 if gone else true * (1 + 0.1 * (dsc - 0.9)),
                        }
                    )
    return with_setups(pd.DataFrame(rows))


@pytest.fixture
def scores():
    return make_scores()


@pytest.fixture
def datasets():
    return DATASETS

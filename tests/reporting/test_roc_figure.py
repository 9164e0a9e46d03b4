"""Nothing of the figure of ROC curves lies outside its page, however many setups there are."""

import pandas as pd
import pytest

from dicegrad.reporting.figures import roc

SETUPS = ["I", "BI", "I_eps", "marginal", "leaf", "I+CE", "BI,ignored", "I+CE,marginal"]


def curves(setups, dataset):
    ends = [(0.0, 0.0), (0.2, 0.7), (1.0, 1.0)]
    rows = [
        {
            "dataset": dataset,
            "class": "MYO",
            "labeling": "partial",
            "setup": setup,
            "batch_size": 2,
            "positive": "ED",
            "negative": "ES",
            "false_positive_rate": false,
            "true_positive_rate": true,
            "auc": 0.75,
            "auc_low": 0.6,
            "auc_high": 0.85,
            "n_positive": 20,
            "n_negative": 20,
        }
        for setup in setups
        for false, true in ends
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("datasets", [["heart"], ["acdc-lowres-of-a-long-name", "tumor"]])
@pytest.mark.parametrize("count", [2, 4, len(SETUPS)])
def test_title_labels_and_key_lie_on_the_page(monkeypatch, tmp_path, datasets, count):
    drawn = []
    monkeypatch.setattr(roc, "save", lambda figure, out_stem: drawn.append(figure) or [])
    roc.plot_roc(pd.concat([curves(SETUPS[:count], name) for name in datasets]), tmp_path / "roc")
    (figure,) = drawn
    figure.draw_without_rendering()
    page, used = figure.bbox_inches, figure.get_tightbbox()
    assert used.x0 > -0.02
    assert used.y0 > -0.02
    assert used.x1 < page.width + 0.02
    assert used.y1 < page.height + 0.02
